"""What a service wrote into its logs, by kind, and how much of it was there before.

What a release that is turned back wrote is looked up while its replicas are still there, as a platform may keep no log
of those that are gone, and only after the traffic has been shifted back and stable told to be what it was: nobody waits
for it.
"""

import math
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.error_clusters import ErrorCluster, ErrorEvent, compare, kind_of
from shopkart_pipeline.domain.incident import ErrorSignature
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.domain.rollout import Action, RolloutPhase
from shopkart_pipeline.ports.telemetry import LogLine, LogsMissing
from shopkart_pipeline.services.platform import Site
from shopkart_pipeline.services.rollout_document import RolloutDocument

LOG_LINES = 2000
_MOST = 10
_LONGEST = 300
_AN_HOUR = timedelta(hours=1)
_MOMENT = timedelta(microseconds=1)
_NOW = frozenset({Action.HOLD, Action.REMOVE_CANARY, Action.REMOVE_STABLE})


@dataclass(frozen=True)
class ErrorReport:
    """The errors of a time, against the time before."""

    clusters: tuple[ErrorCluster, ...]
    """New ones first, then grown ones."""
    missing: tuple[str, ...] = ()
    """What could not be looked at, and why."""

    @property
    def signatures(self) -> tuple[ErrorSignature, ...]:
        """The same by kind and release, the first ones alone."""
        return tuple(
            ErrorSignature(
                cluster.kind,
                count,
                cluster.example,
                release_key,
                None if cluster.expected is None else math.ceil(cluster.expected),
            )
            for cluster in self.clusters
            for release_key, count in cluster.by_release.items()
        )[:_MOST]


def errors_against_before(
    site: Site, environment: str, service: str, since: datetime, until: datetime, before: timedelta | None = None
) -> ErrorReport:
    """The errors of a service in a window by kind, each counted against the time before it.

    Args:
        site: the environment's.
        environment: its name.
        service: its name.
        since: where the window begins.
        until: where it ends.
        before: how long the time before it is; None: as long as the window, and an hour at least.
    """
    begin = since - (before or max(until - since, _AN_HOUR))
    lines = site.logs.errors(environment, service, since, until, LOG_LINES)
    if isinstance(lines, LogsMissing):
        return ErrorReport((), (f"Log lines could not be read: {lines.reason}.",))
    earlier = _before(site, environment, service, begin, since - _MOMENT)
    covered, missing = _covered(lines, since, until), list[str]()
    if len(lines) >= LOG_LINES:
        missing.append(f"Of the error lines only the first {LOG_LINES} were looked at.")
    if isinstance(earlier, LogsMissing):
        missing.append(f"Log lines of the time before could not be read: {earlier.reason}.")
        return ErrorReport(compare(_events(lines), None, covered, 0.0), tuple(missing))
    clusters = compare(_events(lines), _events(earlier), covered, _covered(earlier, begin, since))
    return ErrorReport(clusters, tuple(missing))


def _before(
    site: Site, environment: str, service: str, begin: datetime, end: datetime
) -> tuple[LogLine, ...] | LogsMissing:
    """Errors of the time before. Logs without any line of it say nothing about how many errors there were."""
    lines = site.logs.errors(environment, service, begin, end, LOG_LINES)
    if lines == () and site.logs.search(environment, service, begin, end, limit=1) == ():
        return LogsMissing("they hold no line of it at all")
    return lines


def _covered(lines: tuple[LogLine, ...], since: datetime, until: datetime) -> float:
    """The seconds that lines tell of: not those after the last one, where there was no room for more. One at least, as
    no time at all would make every kind a new one."""
    return max(((lines[-1].at if len(lines) >= LOG_LINES else until) - since).total_seconds(), 1.0)


def _events(lines: tuple[LogLine, ...]) -> list[ErrorEvent]:
    return [ErrorEvent(line.at, _kind(line), plain(line.message[:_LONGEST]), line.release_key) for line in lines]


def _kind(line: LogLine) -> str:
    return plain(kind_of(line.signature, line.message))[:_LONGEST]


def signatures_of(lines: tuple[LogLine, ...]) -> tuple[ErrorSignature, ...]:
    """Error lines clustered by kind and version, the most frequent first."""
    events = _events(lines)
    counts = Counter((event.kind, event.release_key) for event in events)
    examples = {(event.kind, event.release_key): event.message for event in reversed(events)}
    return tuple(
        ErrorSignature(signature, count, examples[signature, release_key], release_key)
        for (signature, release_key), count in counts.most_common(_MOST)
    )


def with_last_words(
    site: Site,
    deployment: Deployment,
    service: str,
    document: RolloutDocument,
    action: Action,
    now: datetime,
) -> RolloutDocument:
    """The document of a rollout that is being turned back, with the errors of what is about to leave, if this action
    leaves time for that and they were not looked up yet."""
    if document.state.phase is not RolloutPhase.ROLLING_BACK or action not in _NOW or document.last_words is not None:
        return document
    since = document.exposed_at or document.started_at
    lines = site.logs.errors(deployment.environment, service, since, now, LOG_LINES)
    found = () if isinstance(lines, LogsMissing) else signatures_of(lines)
    return replace(document, last_words=found)
