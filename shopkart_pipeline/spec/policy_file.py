"""A file with an analysis alone, by which a past rollout can be decided again.

It says `version: 1` and `analysis:` with the same keys as a declaration; what it leaves out is the domain's default.
"""

from pathlib import Path

from shopkart_pipeline.domain.judge_policy import JudgePolicy
from shopkart_pipeline.spec.compile_analysis import compile_analysis
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.form import check_form
from shopkart_pipeline.spec.models.policy_file import PolicyFileSpec
from shopkart_pipeline.spec.source_file import read_source
from shopkart_pipeline.spec.yaml_document import parse_document


def load_policy(file: Path) -> JudgePolicy:
    """The policy that a file describes; raises `DeclarationError` with all its faults."""
    faults = Faults(str(file))
    document = parse_document(read_source(file, faults).text, faults, "analysis")
    faults.located_in(document.place)
    check_form(document.value, faults, PolicyFileSpec)
    if faults:
        raise faults.error()
    return compile_analysis(PolicyFileSpec.model_validate(document.value).analysis).policy
