"""What is done about incidents, and how fast drills have to be."""

from typing import Literal

from pydantic import Field

from shopkart_pipeline.spec.durations import PositiveDuration
from shopkart_pipeline.spec.models.section import Section


class IncidentsSpec(Section):
    """Incidents: when production goes back by itself, and by what drills are scored."""

    auto_rollback: Literal["never", "suspected"] | None = Field(
        default=None,
        description="`suspected`: production goes back by itself from the release that is clearly suspected of a "
        "critical incident. `never`: that is proposed with the one command. Default: `never`.",
    )
    suspected_within: PositiveDuration | None = Field(
        default=None, description="How long before the incident such a release may have come. Default: `30m`."
    )
    window: PositiveDuration | None = Field(
        default=None, description="How long before an incident releases are looked at. Default: `24h`."
    )
    drill_detected_within: PositiveDuration | None = Field(
        default=None,
        description="How soon a drill's fault has to be noticed after customers first met it. Default: `60s`.",
    )
    drill_recovered_within: PositiveDuration | None = Field(
        default=None, description="How soon customers have to be well again after they first met it. Default: `2m`."
    )
