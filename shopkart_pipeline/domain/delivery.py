"""How software is delivered: five figures about changes to production, each with what it was computed from.

The words are DORA's (2024): how often production is deployed to, how long a commit takes to get there, what share of
deployments fails, how long that takes to be mended, and what share is made because of that. Decided here:

- A deployment is a release that was promoted, or was turned back on its way. What the pipeline found there when it
  began is none, and neither is a rollback, which is how a failure is mended.
- It failed where it was turned back, was taken back afterwards, or is what a critical incident in production suspects.
  What waits for working hours, such as a metric that nobody tells, asked for no intervention at once.
- It is rework where it reverts another one, or is the first one after a failure or an incident of its service.
- A lead time is of one commit, from its commit to the promotion of the release that brought it. Commits of a release
  that was turned back have not arrived, and arrive with a later one.
- A failure is mended when recovery was verified; where no incident told of it, when the release before was back.
- Times are medians. Without anything to compute a figure from there is no figure, and never 0.

Source: DORA, "Accelerate State of DevOps Report 2024" and its guide "DORA's software delivery performance metrics".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from statistics import median

from shopkart_pipeline.domain.incident import Incident, IncidentSeverity, IncidentStep

_DAY_SECONDS = 86_400.0


class Happened(StrEnum):
    """What happened to a release in production."""

    PROMOTED = "promoted"
    TURNED_BACK = "turned_back"
    """It left again, or never got through."""


@dataclass(frozen=True)
class ProductionEvent:
    """One such thing, as the ledger tells it."""

    at: datetime
    service: str
    release_key: str
    happened: Happened


@dataclass(frozen=True)
class Change:
    """One deployment to production."""

    service: str
    release_key: str
    at: datetime
    """When it was promoted, or turned back on its way."""
    is_promoted: bool
    taken_back_at: datetime | None = None
    """When it was taken back after it was promoted."""
    incidents: tuple[Incident, ...] = ()
    """Critical ones that suspect it."""
    is_rework: bool = False
    committed_at: tuple[datetime, ...] = ()
    """Of the commits that it brought; none: that is not known."""

    @property
    def name(self) -> str:
        return f"{self.service}@{self.release_key}"

    @property
    def failed(self) -> bool:
        return not self.is_promoted or self.taken_back_at is not None or bool(self.incidents)

    @property
    def recovery_seconds(self) -> float | None:
        """From the failure until it was mended; None where that has not happened, or nobody saw it."""
        if not self.incidents:
            return None if self.taken_back_at is None else (self.taken_back_at - self.at).total_seconds()
        ends = [incident.time_of(IncidentStep.RECOVERED) for incident in self.incidents]
        known = [end for end in ends if end is not None]
        if len(known) < len(ends):
            return None
        began = min(_began(incident) for incident in self.incidents)
        return max(0.0, (max(known) - began).total_seconds())


@dataclass(frozen=True)
class Figure:
    """One figure, and what it is from."""

    value: float | None
    """None: there is nothing to compute it from."""
    missing: str
    """Why there is none, or what it leaves out; empty where nothing is missing."""
    releases: tuple[str, ...] = ()
    """Names of the releases behind it, in the order in which they were deployed."""
    incidents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measures:
    """All five, of a time."""

    since: datetime
    until: datetime
    deployments_per_day: Figure
    lead_time_seconds: Figure
    change_failure_ratio: Figure
    recovery_time_seconds: Figure
    rework_ratio: Figure

    @property
    def figures(self) -> dict[str, Figure]:
        """By name, in the order in which they are read."""
        names = (
            "deployments_per_day",
            "lead_time_seconds",
            "change_failure_ratio",
            "recovery_time_seconds",
            "rework_ratio",
        )
        return {name: getattr(self, name) for name in names}


def changes_of(
    events: Iterable[ProductionEvent], incidents: Sequence[Incident], reverts: frozenset[str] = frozenset()
) -> tuple[Change, ...]:
    """The deployments of one service, oldest first.

    Args:
        events: all of the service, from before the time that is of interest on.
        incidents: of the service, or that suspect a release of it, in production.
        reverts: keys of releases that revert another one.
    """
    changes = list[Change]()
    for event in sorted(events, key=lambda each: each.at):
        place = _standing(changes, event.release_key)
        if event.happened is Happened.PROMOTED:
            changes.append(Change(event.service, event.release_key, event.at, is_promoted=True))
        elif place is None:
            changes.append(Change(event.service, event.release_key, event.at, is_promoted=False))
        else:
            changes[place] = replace(changes[place], taken_back_at=event.at)
    blamed = _blamed(changes, incidents)
    first = [replace(change, is_rework=change.release_key in reverts) for change in blamed[:1]]
    return (*first, *(_following(*pair, incidents, reverts) for pair in pairwise(blamed)))


def measure(changes: Iterable[Change], since: datetime, until: datetime) -> Measures:
    """The figures over the deployments from `since` on and before `until`.

    Raises:
        ValueError: the time is empty.
    """
    if since >= until:
        raise ValueError("a time begins before it ends")
    within = sorted((change for change in changes if since <= change.at < until), key=lambda change: change.at)
    names = tuple(change.name for change in within)
    days = (until - since).total_seconds() / _DAY_SECONDS
    nothing = "" if within else "nothing was deployed to production in that time"
    failed = [change for change in within if change.failed]
    rework = [change for change in within if change.is_rework]
    return Measures(
        since=since,
        until=until,
        deployments_per_day=Figure(len(within) / days if within else None, nothing, names),
        lead_time_seconds=_lead_time(within, nothing),
        change_failure_ratio=_share(failed, within, nothing),
        recovery_time_seconds=_recovery(failed, nothing),
        rework_ratio=_share(rework, within, nothing),
    )


def _share(chosen: Sequence[Change], within: Sequence[Change], nothing: str) -> Figure:
    value = len(chosen) / len(within) if within else None
    return Figure(value, nothing, tuple(change.name for change in chosen), _incidents(chosen))


def _lead_time(within: Sequence[Change], nothing: str) -> Figure:
    promoted = [change for change in within if change.is_promoted]
    known = [change for change in promoted if change.committed_at]
    seconds = [(change.at - at).total_seconds() for change in known for at in change.committed_at]
    if not seconds:
        return Figure(None, nothing or "of no release that was promoted it is known which commits it brought")
    unknown = len(promoted) - len(known)
    missing = f"the commits of {unknown} of {len(promoted)} releases are not known" if unknown else ""
    return Figure(max(0.0, median(seconds)), missing, tuple(change.name for change in known))


def _recovery(failed: Sequence[Change], nothing: str) -> Figure:
    mended = [change for change in failed if change.recovery_seconds is not None]
    times = [seconds for change in mended if (seconds := change.recovery_seconds) is not None]
    unseen = len(failed) - len(mended)
    missing = f"of {unseen} of {len(failed)} failures nobody saw the end" if unseen else ""
    if not times:
        return Figure(None, nothing or missing or "no deployment failed in that time")
    return Figure(median(times), missing, tuple(change.name for change in mended), _incidents(mended))


def _incidents(changes: Iterable[Change]) -> tuple[str, ...]:
    return tuple(incident.id for change in changes for incident in change.incidents)


def _standing(changes: Sequence[Change], release_key: str) -> int | None:
    """Where the release's deployment is that stands; None where there is none."""
    for place in range(len(changes) - 1, -1, -1):
        change = changes[place]
        if change.release_key == release_key and change.is_promoted and change.taken_back_at is None:
            return place
    return None


def _blamed(changes: Sequence[Change], incidents: Sequence[Incident]) -> list[Change]:
    """The deployments with the incidents that suspect them: of one release's several the last one before it opened."""
    found = list(changes)
    critical = (each for each in incidents if each.severity is IncidentSeverity.CRITICAL)
    for incident in sorted(critical, key=lambda each: each.opened_at):
        places = [place for place, each in enumerate(found) if _is_suspected(each, incident)]
        before = [place for place in places if found[place].at <= incident.opened_at]
        for place in before[-1:] or places[:1]:
            found[place] = replace(found[place], incidents=(*found[place].incidents, incident))
    return found


def _following(before: Change, change: Change, incidents: Sequence[Incident], reverts: frozenset[str]) -> Change:
    """A deployment beside the one before it: is it made because of that?"""
    is_answer = any(
        before.at <= incident.opened_at < change.at and not _is_suspected(change, incident) for incident in incidents
    )
    is_mending = before.failed and (before.taken_back_at is None or before.taken_back_at < change.at)
    return replace(change, is_rework=is_mending or is_answer or change.release_key in reverts)


def _is_suspected(change: Change, incident: Incident) -> bool:
    return (change.service, change.release_key) == (incident.suspected_service, incident.suspected_release)


def _began(incident: Incident) -> datetime:
    return incident.time_of(IncidentStep.INTRODUCED) or incident.time_of(IncidentStep.DETECTED) or incident.opened_at
