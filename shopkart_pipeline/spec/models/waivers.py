"""The file `waivers.yaml` of a service's folder: findings that somebody answers for, for a while."""

from typing import Annotated

from pydantic import Field

from shopkart_pipeline.spec.models.declaration import Version
from shopkart_pipeline.spec.models.section import Section
from shopkart_pipeline.spec.text_types import Identifier, Matching, Owner, RelativePath, Words

Fingerprint = Annotated[str, Matching(r"[0-9a-f]{24}", "a finding's fingerprint, as `shopkart show` tells it")]
Day = Annotated[str, Matching(r"\d{4}-\d{2}-\d{2}", "a day, such as 2026-03-31")]


class WaiverSpec(Section):
    """One waiver. It names its finding by `finding`, or by `rule` together with `package` or `path`."""

    stage: Identifier = Field(description="The stage whose gates it touches, such as dependency_scan.")
    finding: Fingerprint | None = Field(default=None, description="The finding's fingerprint.")
    rule: Words | None = Field(default=None, description="The rule, such as GHSA-xxxx-xxxx-xxxx.")
    package: Words | None = Field(default=None, description="The package that the rule is about.")
    path: RelativePath | None = Field(default=None, description="The file, relative to the repository's root.")
    reason: Words = Field(description="Why it may stay for now.")
    owner: Owner = Field(description="Who answers for it.")
    expires: Day = Field(description="The last day on which it holds, in UTC; at most 90 days ahead.")


class WaiversSpec(Section):
    """All that `waivers.yaml` says."""

    version: Version = Field(description="Version of this format; always 1.")
    waivers: list[WaiverSpec] = Field(default_factory=list[WaiverSpec], description="The waivers.")
