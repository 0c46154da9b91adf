"""The measures of delivery of services, from the ledger, the incidents and the commits.

Of a long ledger only as much is read as the time asks for, and one deployment more: what was in production before the
first one says which commits that brought, and whether it followed a failure. Of a release that nothing stood before
only its own commit is known to be new.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from shopkart_pipeline.domain.declaration import Phase, Service
from shopkart_pipeline.domain.delivery import Change, Happened, Measures, ProductionEvent, changes_of, measure
from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import BOOTSTRAP, PROMOTE, ROLL_BACK, TURN_BACK

_TEAM = "team:"
_HAPPENED = {PROMOTE: Happened.PROMOTED, TURN_BACK: Happened.TURNED_BACK}
_REVERT = 'Revert "'
"""How git begins the title of a commit that reverts another one."""


@dataclass
class CommitTimes:
    """When the commits between two others were committed; each is asked of the repository once."""

    platform: Platform
    _known: dict[tuple[str, str | None, str], tuple[datetime, ...]] = field(
        default_factory=dict[tuple[str, str | None, str], tuple[datetime, ...]]
    )

    def between(self, service: Service, base: str | None, sha: str) -> tuple[datetime, ...]:
        """Empty where the repository is not at hand, or does not hold them any more."""
        key = (service.name, base, sha)
        if key not in self._known:
            try:
                self._known[key] = self._asked(service, base, sha)
            except PipelineError:
                return ()
        return self._known[key]

    def _asked(self, service: Service, base: str | None, sha: str) -> tuple[datetime, ...]:
        scm = self.platform.scm
        if base is None:
            return (scm.commit(service.source, sha).committed_at,)
        return tuple(commit.committed_at for commit in scm.commits(service.source, base, sha))


def measure_delivery(
    platform: Platform,
    services: Iterable[str],
    since: datetime,
    until: datetime,
    times: CommitTimes | None = None,
) -> Measures:
    """The figures of some services together.

    Args:
        platform: the ports.
        services: their names.
        since: deployments from then on,
        until: and before then.
        times: what is known of commits already.

    Raises:
        NotFound: a service is not declared.
    """
    times = times or CommitTimes(platform)
    changes = [change for name in services for change in production_changes(platform, name, since, times)]
    return measure(changes, since, until)


def services_of(platform: Platform, service: str | None = None, team: str | None = None) -> tuple[str, ...]:
    """The names of the services that are meant: one, those of a team, or all of them. Raises `NotFound`."""
    if service is not None:
        return (platform.service(service).name,)
    if team is None:
        return tuple(platform.pipeline.services)
    known = teams_of(platform)
    if team not in known:
        raise NotFound(f"No team {team!r} owns a service.", f"Teams are: {', '.join(known) or 'none'}.")
    return known[team]


def teams_of(platform: Platform) -> dict[str, tuple[str, ...]]:
    """Names of services by the team that owns them."""
    found = dict[str, tuple[str, ...]]()
    for service in platform.pipeline.services.values():
        for owner in service.owners:
            if owner.startswith(_TEAM):
                team = owner.removeprefix(_TEAM)
                found[team] = (*found.get(team, ()), service.name)
    return found


def production_changes(platform: Platform, name: str, since: datetime, times: CommitTimes) -> tuple[Change, ...]:
    """Deployments of a service from `since` on, and the one before, oldest first."""
    service = platform.service(name)
    environment = platform.deployment_of(service, Phase.PRODUCTION).environment
    acts = list(reversed([*_acts(platform, name, environment, since)]))
    events = [
        ProductionEvent(act.at, name, act.release_key, _HAPPENED[act.verb]) for act in acts if act.verb in _HAPPENED
    ]
    incidents = [
        incident
        for incident in platform.incidents.list()
        if (incident.service, incident.environment) == (name, environment)
    ]
    changes = changes_of(events, incidents, _reverts(platform, name, events))
    brought = _brought(acts)
    return tuple(_with_commits(service, change, brought, times) if change.at >= since else change for change in changes)


def _acts(platform: Platform, service: str, environment: str, since: datetime) -> Iterator[Act]:
    """What happened in production, newest first, back to the promotion before `since`."""
    for entry in platform.ledger.newest_first(service):
        act = entry.act
        if act.body.get("environment") != environment or act.verb not in (*_HAPPENED, ROLL_BACK, BOOTSTRAP):
            continue
        yield act
        if act.at < since and act.verb in (PROMOTE, BOOTSTRAP):
            return


def _brought(acts: Iterable[Act]) -> dict[tuple[str, datetime], tuple[str | None, str]]:
    """By release and moment of its promotion, the commit that stood before and the one that came."""
    standing: str | None = None
    found = dict[tuple[str, datetime], tuple[str | None, str]]()
    for act in acts:
        if act.verb == TURN_BACK:
            continue
        if act.verb == PROMOTE:
            found[act.release_key, act.at] = (standing, act.body["commit"])
        standing = act.body["commit"]
    return found


def _with_commits(
    service: Service,
    change: Change,
    brought: dict[tuple[str, datetime], tuple[str | None, str]],
    times: CommitTimes,
) -> Change:
    if (change.release_key, change.at) not in brought:
        return change
    base, sha = brought[change.release_key, change.at]
    return replace(change, committed_at=times.between(service, base, sha))


def _reverts(platform: Platform, service: str, events: Iterable[ProductionEvent]) -> frozenset[str]:
    keys = {event.release_key for event in events}
    return frozenset(key for key in keys if _title(platform, service, key).startswith(_REVERT))


def _title(platform: Platform, service: str, key: str) -> str:
    try:
        return platform.evidence.release(service, key).title
    except NotFound:
        return ""
