"""The file that `shopkart judge replay` takes: an analysis alone."""

from pydantic import Field

from shopkart_pipeline.spec.models.analysis import AnalysisSpec
from shopkart_pipeline.spec.models.declaration import Version
from shopkart_pipeline.spec.models.section import Section


class PolicyFileSpec(Section):
    """All that a policy file says."""

    version: Version = Field(description="Version of this format; always 1.")
    analysis: AnalysisSpec = Field(description="How the canary would have been judged.")
