"""What every stage has, and what those have that the pipeline carries out itself."""

from dataclasses import dataclass, field

from pydantic import Field

from shopkart_pipeline.spec.durations import PositiveDuration
from shopkart_pipeline.spec.models.run_pods import StagePodSpec
from shopkart_pipeline.spec.models.section import Section
from shopkart_pipeline.spec.text_types import Identifier, OptionName, Text, ToolName

DECLARED_COMMAND = "command"
"""Name of the tool that runs what a stage declares."""


@dataclass(frozen=True)
class StageDetails:
    """What a stage may say beyond what it needs and how long it may take; the same for every kind of stage."""

    tool: str = "auto"
    command: tuple[str, ...] = ()
    junit: str | None = None
    coverage: str | None = None
    sarif: str | None = None
    checkstyle: str | None = None
    retries: int = 0
    options: dict[str, str] = field(default_factory=dict[str, str])
    disabled: str | None = None


class StageSpec(Section):
    """What every stage has."""

    needs: list[Identifier] | None = Field(
        default=None,
        description="Stages of the same service that must have passed before; replaces the inherited list.",
    )
    timeout: PositiveDuration | None = Field(default=None, description="Longest time that an attempt may take.")
    options: dict[OptionName, Text] | None = Field(default=None, description="Further options of the tool, as text.")
    reuse: bool | None = Field(
        default=None,
        description="Whether a result for the same inputs may stand for a new attempt; `true` unless said.",
    )

    @property
    def own_pod(self) -> StagePodSpec | None:
        """What it says of a pod of its own; None where it says nothing, or can't."""
        return getattr(self, "pod", None)

    def details(self) -> StageDetails:
        return StageDetails(options=self.options or {})


class ToolStage(StageSpec):
    """A shipped stage that the pipeline carries out itself."""

    tool: ToolName | None = Field(
        default=None,
        description="Name of the tool; `auto` takes the production tool where it is there, else the default.",
    )

    def details(self) -> StageDetails:
        return StageDetails(tool=self.tool or "auto", options=self.options or {})
