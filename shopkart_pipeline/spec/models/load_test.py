"""A load test of staging: what is sent, how often, and what has to hold."""

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from shopkart_pipeline.spec.durations import Duration, PositiveDuration
from shopkart_pipeline.spec.faults import show
from shopkart_pipeline.spec.models.section import Section
from shopkart_pipeline.spec.models.stage import StageDetails, ToolStage
from shopkart_pipeline.spec.text_types import Text, UrlPath, Words, declared_error

PRODUCTION = "production"
"""The peak is what production's metrics show."""

_LATENCY = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(ms|s)")
_RATE = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,6})?) ?/ ?([smh])")
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _parse_latency(value: object) -> float:
    match = _LATENCY.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) == 0:
        raise declared_error(f"{show(value)} is not a latency; write 300ms or 1.5s")
    return float(match[1]) * _SECONDS[match[2]]


def _parse_rate(value: object) -> float | str:
    if value == PRODUCTION:
        return PRODUCTION
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) == 0:
        raise declared_error(f"{show(value)} is not a rate; write 120/s or 7200/m, or {PRODUCTION} for what it has")
    return float(match[1]) / _SECONDS[match[2]]


def _parse_share(value: object) -> float:
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    share = float(match[1]) / 100 if match else value
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise declared_error(f"{show(value)} is not a share; write 0.1 % or 0.001")
    return float(share)


_Latency = Annotated[
    float,
    BeforeValidator(_parse_latency),
    WithJsonSchema({"type": "string", "pattern": f"^({_LATENCY.pattern})$", "$comment": "a latency, such as 300ms"}),
]
_Rate = Annotated[
    float | Literal["production"],
    BeforeValidator(_parse_rate),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^({_RATE.pattern}|{PRODUCTION})$",
            "$comment": f"a rate, such as 120/s, or `{PRODUCTION}`",
        }
    ),
]
_Share = Annotated[
    float,
    BeforeValidator(_parse_share),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": 1},
                {"type": "string", "pattern": f"^({_SHARE.pattern})$"},
            ],
            "$comment": "a share, such as 0.1 % or 0.001",
        }
    ),
]


class LoadRequestSpec(Section):
    """One kind of request that is sent."""

    path: UrlPath = Field(description="Path below the service's address, with a query if it has one.")
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] | None = Field(
        default=None, description="`GET` unless it is said. What writes, writes to staging's datastores."
    )
    weight: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Its share among all kinds, in proportion to theirs; 1 unless it is said."
    )
    body: Text | None = Field(default=None, description="What is sent with it; the same every time. No credentials.")
    content_type: Words | None = Field(default=None, description="Media type of the body, such as `application/json`.")


class LoadObjectivesSpec(Section):
    """What has to hold at every multiple; each becomes a gate for each of them. One at least."""

    latency_p50: _Latency | None = Field(default=None, description="Half of the requests are answered within it.")
    latency_p95: _Latency | None = Field(default=None, description="95 of 100 requests are answered within it.")
    latency_p99: _Latency | None = Field(default=None, description="99 of 100 requests are answered within it.")
    latency_max: _Latency | None = Field(default=None, description="Every request is answered within it.")
    error_ratio: _Share | None = Field(
        default=None, description="At most this share is not answered, or with status 400 and above."
    )


class LoadTestStage(ToolStage):
    """The load test of staging; it is there where something is said about it."""

    peak: _Rate | None = Field(
        default=None,
        description="Production's highest rate of requests to this service: declared, or `production` to have it from "
        "its metrics.",
    )
    window: PositiveDuration | None = Field(
        default=None, description="How far back production's metrics are looked at for the peak; 7d unless it is said."
    )
    multiples: list[Annotated[float, Field(gt=0, le=100)]] | None = Field(
        default=None, description="Of the peak, from the smallest to the largest; `[1]` unless it is said."
    )
    duration: PositiveDuration | None = Field(
        default=None, description="How long each multiple is held, which alone is measured; 30s unless it is said."
    )
    ramp: Duration | None = Field(
        default=None, description="How long the rate grows to each multiple; 10s unless it is said."
    )
    requests: list[LoadRequestSpec] | None = Field(
        default=None, description="What is sent. The same mix as customers send, or the numbers say little."
    )
    objectives: LoadObjectivesSpec | None = Field(default=None, description="What has to hold at every multiple.")
    connections: Annotated[int, Field(ge=1, le=2000)] | None = Field(
        default=None, description="Requests that may be under way at a time, each on a connection; 200 by itself."
    )
    request_timeout: PositiveDuration | None = Field(
        default=None, description="What is not answered by then has failed; 10s unless it is said."
    )
    disabled: Words | None = Field(default=None, description="Leaves the stage out, with its gates; says why.")

    def details(self) -> StageDetails:
        return StageDetails(tool=self.tool or "auto", options=self.options or {}, disabled=self.disabled)
