"""Loki's HTTP API: a LogQL query in, entries out, or an error that says why there are none.

Only a whole answer is an answer: a warning means that a part of the lines is missing, so it is an error here.

Source: Grafana Loki, "HTTP API" (`/loki/api/v1/query_range`, `X-Scope-OrgID`), "LogQL: log queries" (stream selectors,
line filters, strings in double quotes with Go's escapes).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from shopkart_pipeline.adapters._bearer import ServerAccess
from shopkart_pipeline.adapters._bearer_client import BearerClient
from shopkart_pipeline.adapters._http import Ask
from shopkart_pipeline.domain.errors import UntrustedInput

LIMIT_BYTES = 32 * 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    """One line as Loki keeps it."""

    nanoseconds: int
    """Since 1970."""
    line: str
    labels: Mapping[str, str]

    @property
    def at(self) -> datetime:
        return _EPOCH + timedelta(microseconds=self.nanoseconds // 1000)


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Stream(_Loose):
    stream: dict[str, str]
    values: list[list[object]]


class _Data(_Loose):
    resultType: Literal["streams"]
    result: list[_Stream]
    warnings: list[str] | None = None


class _Answer(_Loose):
    status: Literal["success"]
    data: _Data
    warnings: list[str] | None = None


_ANSWERS = TypeAdapter(_Answer)


def quoted(text: str) -> str:
    """A string of LogQL: nothing in it ends it. Go's escapes are JSON's but for halves of characters, which it has
    not."""
    return json.dumps(text.encode(errors="replace").decode(), ensure_ascii=False).replace("\x7f", "\\x7f")


def nanoseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000


class LokiApi:
    """One server.

    Args:
        address: its base address.
        tenant: whose logs; empty: the server has one tenant alone.
        access: who we are there.
    """

    def __init__(self, address: str, tenant: str, access: ServerAccess) -> None:
        self._tenant = tenant
        self._server = BearerClient("Loki", address, access)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def query_range(
        self, query: str, start: int, end: int, limit: int, *, forward: bool, timeout_seconds: float
    ) -> list[Entry]:
        """Entries of a window, at most `limit`, in the direction that is asked for.

        Args:
            query: a log query.
            start: nanoseconds since 1970, belonging to the window.
            end: nanoseconds since 1970, not belonging to it.
            limit: so many at most.
            forward: whether the oldest ones come first; else the newest ones do.
            timeout_seconds: for all of it.

        Raises:
            ToolUnavailable: no answer in time, or none that is one.
            UntrustedInput: it can't be understood, or is not whole.
        """
        answer = self._server.ask(
            Ask(
                "GET",
                "/loki/api/v1/query_range",
                headers={"X-Scope-OrgID": self._tenant} if self._tenant else None,
                params={
                    "query": query,
                    "start": str(start),
                    "end": str(end),
                    "limit": str(limit),
                    "direction": "forward" if forward else "backward",
                },
                timeout_seconds=timeout_seconds,
                limit_bytes=LIMIT_BYTES,
            )
        )
        return sorted(self._entries(answer.content), key=lambda entry: entry.nanoseconds, reverse=not forward)

    def _entries(self, content: bytes) -> list[Entry]:
        try:
            answer = _ANSWERS.validate_json(content)
        except ValidationError as error:
            raise self._server.not_of_its_api(error) from None
        self._server.check_whole([*(answer.warnings or ()), *(answer.data.warnings or ())])
        return [_entry(value, stream.stream) for stream in answer.data.result for value in stream.values]


def _entry(value: list[object], labels: Mapping[str, str]) -> Entry:
    """A pair of time and line; newer servers add a third thing, the labels of the line alone."""
    match value:
        case [str(at), str(line), *_] if at.isdecimal() and len(at) <= 19:
            return Entry(int(at), line, labels)
        case _:
            raise UntrustedInput("Loki's answer has a line without a time.", "Check its address.")
