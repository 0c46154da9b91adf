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
class Remembered:
    """What never changes and takes a while to ask: when commits were committed, and what releases are called."""

    platform: Platform
    _times: dict[tuple[str, str | None, str], tuple[datetime, ...]] = field(
        default_factory=dict[tuple[str, str | None, str], tuple[datetime, ...]]
    )
    _titles: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def committed_between(self, service: Service, base: str | None, sha: str) -> tuple[datetime, ...]:
        """When the commits after `base` up to `sha` were committed; empty where the repository is not at hand, or does
        not hold them any more."""
        key = (service.name, base, sha)
        if key not in self._times:
            try:
                self._times[key] = self._asked(service, base, sha)
            except PipelineError:
                return ()
        return self._times[key]

    def title(self, service: str, key: str) -> str:
        """A release's title; empty where there is no such release."""
        if (service, key) not in self._titles:
            try:
                self._titles[service, key] = self.platform.evidence.release(service, key).title
            except NotFound:
                return ""
        return self._titles[service, key]

    def _asked(self, service: Service, base: str | None, sha: str) -> tuple[datetime, ...]:
        scm = self.platform.scm
        if base is None:
            return (scm.commit(service.source, sha).committed_at,)
        return tuple(commit.committed_at for commit in scm.commits(service.source, base, sha))


def measure_delivery(platform: Platform, services: Iterable[str], since: datetime, until: datetime) -> Measures:
    """The figures of some services together, of deployments from `since` on and before `until`.

    Raises:
        NotFound: a service is not declared.
    """
    remembered = Remembered(platform)
    changes = [change for name in services for change in production_changes(platform, name, since, remembered)]
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


def production_changes(platform: Platform, name: str, since: datetime, remembered: Remembered) -> tuple[Change, ...]:
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
        if incident.environment == environment and name in (incident.service, incident.suspected_service)
    ]
    keys = {event.release_key for event in events}
    reverts = frozenset(key for key in keys if remembered.title(name, key).startswith(_REVERT))
    changes = changes_of(events, incidents, reverts)
    brought = _brought(acts)
    return tuple(
        _with_commits(service, change, brought, remembered) if change.at >= since else change for change in changes
    )


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
    remembered: Remembered,
) -> Change:
    if (change.release_key, change.at) not in brought:
        return change
    base, sha = brought[change.release_key, change.at]
    return replace(change, committed_at=remembered.committed_between(service, base, sha))
