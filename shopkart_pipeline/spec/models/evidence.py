"""Where evidence is kept beside the machine that gathers it."""

from typing import Annotated, Literal

from pydantic import Field

from shopkart_pipeline.spec.models.section import Section
from shopkart_pipeline.spec.text_types import AwsRegion, BucketName, ObjectPrefix, ServerAddress


class EvidenceSpec(Section):
    """A bucket for reports and signed statements; `docs/evidence_bucket.md` tells how to set it up."""

    bucket: BucketName | None = Field(
        default=None, description="With versions and object lock. Has to be said: without it evidence is on disk alone."
    )
    prefix: ObjectPrefix | None = Field(
        default=None, description="What the names of objects begin with, with / at its end."
    )
    region: AwsRegion | None = Field(default=None, description="AWS region of the bucket. Has to be said.")
    endpoint: ServerAddress | None = Field(default=None, description="Address of the API, where it isn't AWS's own.")
    lock: Literal["compliance", "governance"] | None = Field(
        default=None,
        description="`compliance`: nobody can take an object away before its time; `governance`: who has a right of "
        "its own can. Default: `compliance`.",
    )
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = Field(
        default=None, description="How long an object is locked, from when it was last kept. Default: 400."
    )
