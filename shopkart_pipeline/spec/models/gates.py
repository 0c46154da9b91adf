"""Gates: a limit on a measure, or on the number of findings."""

from typing import Annotated, Literal

from pydantic import Field

from shopkart_pipeline.spec.models.section import Reason, Section
from shopkart_pipeline.spec.text_types import Identifier, Text, Words

Limit = Annotated[float, Field(ge=0, le=1e12)]


class ExemptionSpec(Section):
    """When a gate doesn't apply; the verdict says so."""

    measure: Identifier = Field(description="Name of a measure of the same stage, such as `new_lines`.")
    below: Limit = Field(description="The gate doesn't apply while the measure is smaller than this.")


class GateSpec(Section):
    """One gate. It limits the measure of its own name unless `measure` or `findings` says otherwise."""

    description: Words | None = Field(default=None, description="What the gate is for, in one line.")
    measure: Identifier | None = Field(default=None, description="The measure, where it isn't called like the gate.")
    at_most: Limit | None = Field(default=None, description="The gate passes up to this value.")
    at_least: Limit | None = Field(default=None, description="The gate passes from this value on.")
    unless: ExemptionSpec | None = Field(default=None, description="When the gate doesn't apply.")
    findings: Literal["info", "low", "medium", "high", "critical"] | None = Field(
        default=None,
        description="Count findings of this severity or worse instead of a measure; `at_most` limits them.",
    )
    only_new: bool | None = Field(default=None, description="Findings that production already has don't count.")
    only_fixable: bool | None = Field(default=None, description="Findings that no version fixes don't count.")
    rules: list[Text] | None = Field(
        default=None,
        description="Only findings of these rules count, with `*` for anything, such as `licence:GPL-*`.",
    )
    disabled: Reason | None = Field(default=None, description="Leaves the gate out, for this reason.")
