"""The log port on Loki.

A query asks for what surely has everything that is wanted, and what comes is looked at line by line, as the logs of
files are: a line's level and message stand in its JSON, where a filter of LogQL can't see them exactly. Nothing that
somebody searches for can become a part of the query.

Lines come in pages by time. What can't be had whole (a part that is missing, a time-out, too many lines to go through)
is `LogsMissing`. So is a service of which Loki has no line at all: its logs are not collected, or labelled otherwise.
"""

import re
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

from shopkart_pipeline.adapters._bearer import ServerAccess
from shopkart_pipeline.adapters._log_lines import LogReader, Written, has_text, is_error
from shopkart_pipeline.adapters._loki_api import Entry, LokiApi, nanoseconds, quoted
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.domain.log_source import LokiSource
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.telemetry import LogLine, Logs, LogsMissing

PAGE_LINES = 2000
"""Loki gives 5,000 at most unless it is told otherwise."""
_MOST_PAGES = 25
_LONGEST_SECONDS = 8.0
_REQUEST_SECONDS = 4.0
_ERRORS = r"(?i)error|critical|fatal|exception|traceback"
_SURE = re.compile(r"[A-Za-z0-9 _.:,;@#%+()\[\]{}*?!$^|~-]+")
"""Characters that stand in a JSON line as they are, whoever writes it: some write `<`, `>`, `&`, `=`, `'` and `/`
otherwise."""


class LokiLogs(Logs):
    """The logs of the services of one environment.

    Args:
        source: which server, and how its streams are labelled.
        access: who we are to it.
        clock: measures how long asking takes.
        page_lines: how many lines are asked for at once.
        request_seconds: how long one answer may take.
    """

    def __init__(
        self,
        source: LokiSource,
        access: ServerAccess,
        clock: Clock,
        page_lines: int = PAGE_LINES,
        request_seconds: float = _REQUEST_SECONDS,
    ) -> None:
        self._source, self._clock = source, clock
        self._page_lines, self._request_seconds = page_lines, request_seconds
        self._api = LokiApi(source.address, source.tenant, access)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def errors(
        self, environment: str, service: str, since: datetime, until: datetime, limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        query = f"{self._selector(environment, service)} |~ {quoted(_ERRORS)}"
        return self._found(environment, service, query, since, until, is_error, limit, forward=True)

    def search(
        self, environment: str, service: str, since: datetime, until: datetime, *, text: str = "", limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        query, part = self._selector(environment, service), max(_SURE.findall(text), key=len, default="")
        if part:
            query += f" |~ {quoted('(?i)' + re.escape(part))}"

        def wanted(line: LogLine) -> bool:
            return has_text(line.message, text)

        return self._found(environment, service, query, since, until, wanted, limit, forward=False)

    def _selector(self, environment: str, service: str) -> str:
        source = self._source
        pairs = {**source.labels, source.environment_label: environment, source.service_label: service}
        return "{" + ", ".join(f"{name}={quoted(value)}" for name, value in pairs.items()) + "}"

    def _found(
        self,
        environment: str,
        service: str,
        query: str,
        since: datetime,
        until: datetime,
        wanted: Callable[[LogLine], bool],
        limit: int,
        *,
        forward: bool,
    ) -> tuple[LogLine, ...] | LogsMissing:
        window = nanoseconds(since), nanoseconds(until) + 1000
        try:
            lines = self._paged(query, *window, wanted, limit, forward=forward)
            if not lines and not self._has_any(environment, service, *window):
                return LogsMissing(
                    f"Loki has no log of {service} in {environment} of that time: it is not collected, or labelled "
                    f"otherwise than {self._selector(environment, service)}"
                )
        except PipelineError as error:
            return LogsMissing(f"{service} in {environment}: {error.what}")
        return lines[:limit] if forward else lines[-limit:]

    def _has_any(self, environment: str, service: str, start: int, end: int) -> bool:
        query = self._selector(environment, service)
        return bool(self._api.query_range(query, start, end, 1, forward=False, timeout_seconds=self._request_seconds))

    def _paged(
        self, query: str, start: int, end: int, wanted: Callable[[LogLine], bool], limit: int, *, forward: bool
    ) -> tuple[LogLine, ...]:
        """Wanted lines, oldest first: all of the window, or `limit` at least from where it was begun."""
        began, seen = self._clock.now(), dict[tuple[int, str, str], Entry]()
        for _ in range(_MOST_PAGES):
            left = _LONGEST_SECONDS - (self._clock.now() - began).total_seconds()
            if left <= 0:
                raise ToolUnavailable(f"Loki did not give all lines within {_LONGEST_SECONDS:.0f} s.", "Ask for less.")
            page = self._api.query_range(
                query, start, end, self._page_lines, forward=forward, timeout_seconds=min(left, self._request_seconds)
            )
            known = len(seen)
            seen |= {(entry.nanoseconds, entry.line, str(sorted(entry.labels.items()))): entry for entry in page}
            lines = self._lines([*seen.values()], wanted)
            if len(page) < self._page_lines or len(lines) >= limit:
                return lines
            if len(seen) == known:
                raise ToolUnavailable("Loki has more lines of one moment than it gives at once.", "Ask for less.")
            # What is of the last moment may go on, so it is asked for again.
            start, end = (page[-1].nanoseconds, end) if forward else (start, page[-1].nanoseconds + 1)
        raise ToolUnavailable(
            f"Loki has more than {_MOST_PAGES * self._page_lines} lines to go through.", "Ask for a shorter time."
        )

    def _lines(self, entries: list[Entry], wanted: Callable[[LogLine], bool]) -> tuple[LogLine, ...]:
        of_replicas = defaultdict[tuple[str, str, str], list[Entry]](list)
        source = self._source
        for entry in entries:
            labels = entry.labels
            replica = (
                labels.get(source.pod_label, ""),
                labels.get(source.track_label, ""),
                labels.get(source.version_label, ""),
            )
            of_replicas[replica].append(entry)
        found = list[LogLine]()
        for (pod, track, version), written in of_replicas.items():
            reader = LogReader(Track.CANARY if track == Track.CANARY else Track.STABLE, pod, version)
            written.sort(key=lambda entry: entry.nanoseconds)
            found += filter(wanted, reader.read(Written(entry.line, entry.at) for entry in written))
        return tuple(sorted(found, key=lambda line: line.at))
