"""Prometheus' HTTP API: one query in, series out, or an error that says why there are none.

Only a whole answer is an answer: a warning means that a part of the series is missing, so it is an error here. Counts
are finite and not negative; `NaN`, infinities and anything else that can't be a count is an error too, never a zero.
Who asks for `any_number` gets such values as they are, and has to tell them apart.

Source: Prometheus, "HTTP API" (`/api/v1/query` and `/api/v1/query_range`, as forms, which are not limited in length).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from shopkart_pipeline.adapters._bearer import ServerAccess
from shopkart_pipeline.adapters._bearer_client import BearerClient
from shopkart_pipeline.adapters._http import Ask
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.plain_text import plain

TIMEOUT_SECONDS = 3.0
"""A look must not keep a worker from renewing its lease."""
_HISTORY_TIMEOUT_SECONDS = 5.0
_COUNT = re.compile(r"\d+(\.\d+)?([eE][+-]?\d{1,3})?")
_LARGEST = 2.0**53


@dataclass(frozen=True)
class Series:
    """One series of an answer: its labels, and its values by time in seconds since 1970, oldest first."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def value(self) -> float:
        """The newest value."""
        return self.points[-1][1]


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class _Sample(_Loose):
    metric: dict[str, str]
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] | None = None


class _Data(_Loose):
    resultType: Literal["vector", "matrix"]
    result: list[_Sample]


class _Answer(_Loose):
    status: Literal["success"]
    data: _Data
    warnings: list[str] = []


_ANSWERS = TypeAdapter(_Answer)


class PrometheusApi:
    """One server.

    Args:
        address: its base address.
        access: who we are there.
    """

    def __init__(self, address: str, access: ServerAccess) -> None:
        self._server = BearerClient("Prometheus", address, access)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def query(self, expression: str, at: datetime, number: Callable[[str], float] | None = None) -> list[Series]:
        """The series of an expression at a moment.

        Args:
            expression: in PromQL.
            at: the moment.
            number: reads a value; None: it has to be a count.

        Raises:
            ToolUnavailable: no answer in time, or none that is one.
            UntrustedInput: it can't be understood, is not whole, or has something in it that is no count.
        """
        form = {"query": expression, "time": _seconds(at)}
        return self._ask("/api/v1/query", form, TIMEOUT_SECONDS, number or count)

    def query_range(
        self,
        expression: str,
        since: datetime,
        until: datetime,
        step_seconds: float,
        number: Callable[[str], float] | None = None,
    ) -> list[Series]:
        """The series of an expression at every step of a time; raises as `query` does."""
        form = {"query": expression, "start": _seconds(since), "end": _seconds(until), "step": f"{step_seconds:g}"}
        return self._ask("/api/v1/query_range", form, _HISTORY_TIMEOUT_SECONDS, number or count)

    def _ask(
        self, path: str, form: Mapping[str, str], timeout_seconds: float, number: Callable[[str], float]
    ) -> list[Series]:
        told = {**form, "timeout": f"{timeout_seconds:g}s"}
        answer = self._server.ask(
            Ask(
                "POST",
                path,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                body=urlencode(told).encode(),
                timeout_seconds=timeout_seconds,
            )
        )
        return self._series(answer.content, number)

    def _series(self, content: bytes, number: Callable[[str], float]) -> list[Series]:
        try:
            answer = _ANSWERS.validate_json(content)
        except ValidationError as error:
            raise self._server.not_of_its_api(error) from None
        self._server.check_whole(answer.warnings)
        return [Series(sample.metric, _points(sample, number)) for sample in answer.data.result]


def _seconds(at: datetime) -> str:
    return f"{at.timestamp():.3f}"


def _points(sample: _Sample, number: Callable[[str], float]) -> tuple[tuple[float, float], ...]:
    written = [sample.value] if sample.value is not None else sample.values or []
    if not written:
        raise UntrustedInput("Prometheus' answer has a series without a value.", "Look at what is before it.")
    return tuple((at, number(text)) for at, text in written)


def any_number(text: str) -> float:
    """A value as Prometheus writes it, `NaN` and `+Inf` among them. Raises `UntrustedInput` where it is none."""
    try:
        return float(text)
    except ValueError:
        raise UntrustedInput(f"Prometheus says {plain(text)[:40]!r}, which is no number.", "Look at it.") from None


def count(text: str) -> float:
    """A value that is a count. Raises `UntrustedInput` where it is none."""
    if not _COUNT.fullmatch(text) or (value := float(text)) > _LARGEST:
        raise UntrustedInput(f"Prometheus counts {plain(text)[:40]!r}, which is no count.", "Look at that series.")
    return value
