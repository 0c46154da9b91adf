"""Gathers which releases came to an environment before an incident, and what each of them changed.

From the ledger: what was placed and what was turned back; from the rollout beside the workload: what is on its way;
from the evidence: what is configured otherwise, what changed the database. What a release changed in the repository is
read from the local mirror alone, because a repository that does not answer must not keep anybody waiting now.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from shopkart_pipeline.domain.declaration import EXPANDS
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline.domain.incident import ErrorSignature, Incident, Suspect
from shopkart_pipeline.domain.incident_policy import began
from shopkart_pipeline.domain.suspicion import Arrival, weigh
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import TURN_BACK, Placed, newest_placements
from shopkart_pipeline.services.rollout_document import saved_rollout

_MOST = 20
"""Releases of one service that are looked at; in a day there are rarely more."""


def find_suspects(
    platform: Platform, incident: Incident, signatures: tuple[ErrorSignature, ...]
) -> tuple[Suspect, ...]:
    """The releases inside the declared window before an incident, newest first, each with its reasons."""
    window, since = timedelta(seconds=platform.pipeline.incidents.window_seconds), began(incident)
    declared = platform.pipeline.services.get(incident.service)
    if declared is None:
        return ()
    names = (incident.service, *declared.depends_on)
    arrivals = [each for name in names for each in _arrivals(platform, incident.environment, name, since - window)]
    return weigh(incident.service, arrivals, signatures, since, window)


def _arrivals(platform: Platform, environment: str, service: str, earliest: datetime) -> Iterator[Arrival]:
    placed = _placed(platform, environment, service, earliest)
    on_its_way = _on_its_way(platform, environment, service)
    if on_its_way is not None and all(each.release_key != on_its_way.release_key for each in placed):
        placed = [on_its_way, *placed]
    left = _turned_back(platform, environment, service)
    for number, each in enumerate(placed):
        before = placed[number + 1] if number + 1 < len(placed) else None
        if each.at >= earliest:
            paths = _paths(platform, service, each, before)
            configuration, migrations = _changes(platform, service, each.release_key)
            gone = next((at for at in left.get(each.release_key, ()) if at >= each.at), None)
            yield Arrival(service, each.release_key, each.digest, each.at, gone, paths, configuration, migrations)


def _placed(platform: Platform, environment: str, service: str, earliest: datetime) -> list[Placed]:
    """Newest first, and the one before the window, with which the first in it is compared."""
    found: list[Placed] = []
    for placed in newest_placements(platform, service, environment):
        found.append(placed)
        if placed.at < earliest or len(found) > _MOST:
            break
    return found


def _on_its_way(platform: Platform, environment: str, service: str) -> Placed | None:
    """What is being rolled out, or was turned back last: it is in no list of what took the environment."""
    try:
        saved = saved_rollout(platform.sites[environment].cluster, environment, service)
    except PipelineError:
        return None
    if saved is None or (at := saved.exposed_at or saved.promoted_at) is None:
        return None
    return Placed(at, saved.state.plan.release_key, saved.state.plan.digest, saved.wanted.commit, "rollout")


def _turned_back(platform: Platform, environment: str, service: str) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = {}
    for entry in platform.ledger.entries(service, verbs=(TURN_BACK,)):
        act = entry.act
        if act.body.get("environment") == environment:
            found.setdefault(act.release_key, []).append(act.at)
    return found


def _paths(platform: Platform, service: str, placed: Placed, before: Placed | None) -> tuple[str, ...] | None:
    source = platform.service(service).source
    if before is None:
        return None
    try:
        changed = platform.scm.changed_paths(source, before.commit, placed.commit)
    except PipelineError:
        return None
    own = (source.path, *source.shared_paths)
    return tuple(sorted(path for path in changed if source.path == "." or _is_below(path, own)))


def _is_below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _changes(platform: Platform, service: str, release_key: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is configured otherwise since the release, and which stages changed the database for it."""
    records, declared = platform.evidence.latest(service, release_key), platform.service(service)
    evidence = {name: record.result for name, record in records.items() if isinstance(record.result, Evidence)}
    told = [each.facts.get("configuration_changes", "") for each in evidence.values()]
    configuration = sorted({part for text in told for part in text.split(", ") if part})
    migrations = [stage.name for stage in declared.stages if stage.kind in EXPANDS and stage.name in evidence]
    return tuple(configuration), tuple(migrations)
