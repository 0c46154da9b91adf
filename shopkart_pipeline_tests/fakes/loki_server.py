"""Loki in memory, over real HTTP: streams with labels, and as much of LogQL as the pipeline speaks.

It follows the published API: `start` belongs to the window and `end` does not, `limit` and `direction` choose among all
streams, a selector without a matcher that says something is refused, lines of one stream may have one time.
"""

import json
import re
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from shopkart_pipeline_tests.fakes.servers import JsonHandler, served

_STRING = r'"(?:[^"\\]|\\.)*"'
_QUERY = re.compile(rf"\{{(?P<matchers>(?:\w+={_STRING}(?:, )?)+)\}}(?P<filters>(?: \|~ {_STRING})*)")
MAX_ENTRIES_LIMIT = 5000


@dataclass(frozen=True)
class Line:
    nanoseconds: int
    text: str
    labels: Mapping[str, str]


@dataclass
class FakeLoki:
    """What it has, and how it behaves."""

    lines: list[Line] = field(default_factory=list[Line])
    tenant: str = ""
    """Needed where it is set, as with `auth_enabled`."""
    token: str = ""
    answers: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    """Given instead of right ones, one after the other."""
    more: dict[str, Any] = field(default_factory=dict[str, Any])
    """Added to every right answer, such as warnings."""
    hang: threading.Event | None = None
    """If set, nothing is answered until the event is set."""
    queries: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def push(self, labels: Mapping[str, str], nanoseconds: int, text: str) -> None:
        self.lines.append(Line(nanoseconds, text, dict(labels)))

    def answer(self, query: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and content."""
        self.queries.append(dict(query))
        if self.answers:
            return self.answers.pop(0)
        match = _QUERY.fullmatch(query["query"])
        if match is None:
            return 400, b"parse error at line 1, col 1: syntax error"
        if int(query["limit"]) > MAX_ENTRIES_LIMIT:
            return 400, b"max entries limit per query exceeded, limit > max_entries_limit (%d > 5000)" % int(
                query["limit"]
            )
        wanted = {name: _go_string(text) for name, text in re.findall(rf"(\w+)=({_STRING})", match["matchers"])}
        filters = [re.compile(_go_string(text)) for text in re.findall(_STRING, match["filters"])]
        found = [
            line
            for line in self.lines
            if int(query["start"]) <= line.nanoseconds < int(query["end"])
            and all(line.labels.get(name) == value for name, value in wanted.items())
            and all(each.search(line.text) for each in filters)
        ]
        backward = query["direction"] == "backward"
        found.sort(key=lambda line: line.nanoseconds, reverse=backward)
        return 200, json.dumps(self._document(found[: int(query["limit"])])).encode()

    def _document(self, lines: list[Line]) -> dict[str, Any]:
        streams = dict[str, dict[str, Any]]()
        for line in lines:
            key = json.dumps(line.labels, sort_keys=True)
            stream = streams.setdefault(key, {"stream": line.labels, "values": list[list[str]]()})
            stream["values"].append([str(line.nanoseconds), line.text])
        data: dict[str, Any] = {"resultType": "streams", "result": [*streams.values()], "stats": {}}
        return {"status": "success", "data": data, **self.more}


def _go_string(quoted: str) -> str:
    """A string of Go in double quotes; its escapes are JSON's, and `\\xNN`."""
    return json.loads(re.sub(r"\\x([0-9a-f]{2})", r"\\u00\1", quoted))


@contextmanager
def running_loki(loki: FakeLoki) -> Generator[str]:
    """Serve it; gives the address."""

    class Handler(JsonHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if loki.hang is not None:
                loki.hang.wait(10)
                self.close_connection = True
                return
            if url.path != "/loki/api/v1/query_range":
                self.answer(404, b"404 page not found")
            elif loki.token and self.headers["Authorization"] != f"Bearer {loki.token}":
                self.answer(401, b"Unauthorized")
            elif loki.tenant and self.headers["X-Scope-OrgID"] != loki.tenant:
                self.answer(401, b"no org id")
            else:
                self.answer(*loki.answer({name: values[0] for name, values in parse_qs(url.query).items()}))

    with served(Handler) as address:
        yield address
