"""How a canary is judged."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from shopkart_pipeline.spec.durations import Duration
from shopkart_pipeline.spec.faults import show
from shopkart_pipeline.spec.models.section import Ratio, Section
from shopkart_pipeline.spec.text_types import Identifier, declared_error

_Requests = Annotated[int, Field(ge=1, le=1_000_000_000)]
_PerSecond = Annotated[float, Field(gt=0, le=1_000_000)]
_Effect = Annotated[float, Field(gt=1, le=1000)]
_STATUS = re.compile(r"[1-5](xx|[0-9]{2})")


def _parse_status(value: object) -> str:
    if not isinstance(value, int | str) or isinstance(value, bool) or not _STATUS.fullmatch(str(value)):
        raise declared_error(f"{show(value)} is not a status; write one such as 303, or all of a kind as 2xx")
    return str(value)


Status = Annotated[
    str,
    BeforeValidator(_parse_status),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 100, "maximum": 599},
                {"type": "string", "pattern": f"^{_STATUS.pattern}$"},
            ],
            "$comment": "a status, such as 303 or 2xx",
        }
    ),
]
"""A status, or the first digit of one."""


class EventSpec(Section):
    """A business event, counted by how its requests are answered."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = Field(
        description="Requests by this method are meant,"
    )
    status: Status = Field(description="if they were answered with this status: 303, or any of a kind as 2xx.")
    worse: Literal["fewer", "more"] | None = Field(
        default=None, description="Which direction is bad news; `fewer` unless it is said."
    )
    minimum_effect: _Effect | None = Field(
        default=None, description="Smallest ratio between the rates of canary and stable that counts; 2 by itself."
    )


class LatencySpec(Section):
    """Latency is compared by a quantile."""

    quantile: Annotated[float, Field(ge=0.5, le=0.99)] | None = Field(
        default=None, description="Which quantile; 0.95 by itself."
    )
    minimum_effect: _Effect | None = Field(
        default=None, description="Smallest ratio of the canary's quantile over stable's that counts; 1.5 by itself."
    )


class TrafficSpec(Section):
    """What production usually gets: promises and harm budgets are worked out from it."""

    requests_per_second: _PerSecond = Field(description="Requests a second, both versions together.")
    error_ratio: Annotated[float, Field(gt=0, lt=1)] = Field(description="Ratio (0 to 1) of them that usually fail.")
    events: dict[Identifier, _PerSecond] | None = Field(
        default=None, description="Declared events a second, by their names."
    )


class HarmBudgetSpec(Section):
    """What a release may cost at worst. It chooses the canary's step, so `canary` is not said beside it."""

    failed_requests: _Requests | None = Field(default=None, description="Requests that fail.")
    event: Identifier | None = Field(default=None, description="A declared event instead, such as checkouts,")
    lost: _Requests | None = Field(default=None, description="and how many of them may be lost.")


class AnalysisSpec(Section):
    """How the canary is judged against stable."""

    minimum_effect: _Effect | None = Field(
        default=None, description="Smallest ratio of error rates that counts as a regression."
    )
    false_abort_probability: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Probability of aborting a canary that is no worse than stable, in all that is judged.",
    )
    floor_error_ratio: Ratio | None = Field(
        default=None, description="Error ratio (0 to 1) of the canary that aborts at once, whatever stable does."
    )
    floor_minimum_requests: _Requests | None = Field(
        default=None, description="Requests that the canary must have answered before the floor applies."
    )
    minimum_canary_requests: _Requests | None = Field(
        default=None, description="Requests that the canary must have answered before a step may pass."
    )
    warm_up: Duration | None = Field(
        default=None, description="What the canary shows at first is compared with nothing; the floor holds."
    )
    events: dict[Identifier, EventSpec] | None = Field(
        default=None, description="Business events that are judged like errors, by their names."
    )
    latency: LatencySpec | None = Field(default=None, description="Judge latency too; `{}` does it by the defaults.")
    traffic: TrafficSpec | None = Field(default=None, description="What production usually gets.")
    harm_budget: HarmBudgetSpec | None = Field(
        default=None, description="What a release may cost at worst; chooses the canary's weight and bake."
    )
