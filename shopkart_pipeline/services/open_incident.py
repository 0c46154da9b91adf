"""A rollback opens an incident: what is known goes into its timeline, what can't be known is named.

Recovery is verified, not assumed (`verify_recovery`). A metrics server or a log store that is silent makes the incident
say so. People are not named: who asked for a rollback stands in the ledger.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.incident import Incident, IncidentStep, TimelineEntry
from shopkart_pipeline.domain.judge import Judgement
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.incident_store import POSTMORTEM
from shopkart_pipeline.ports.telemetry import LogsMissing
from shopkart_pipeline.services.error_signatures import LOG_LINES, signatures_of
from shopkart_pipeline.services.platform import Platform, Site
from shopkart_pipeline.services.raise_incident import free_name
from shopkart_pipeline.services.rollout_document import RolloutDocument
from shopkart_pipeline.services.tell_incident import tell_opened
from shopkart_pipeline.services.verify_recovery import NotRecovered, verify_recovery
from shopkart_pipeline.services.write_postmortem import write_postmortem

_OF_THE_ROLLOUT = frozenset({IncidentStep.INTRODUCED, IncidentStep.DETECTED, IncidentStep.ROLLED_BACK})
"""Their times are the rollout's own: at other times it was another rollout."""


def open_incident(
    platform: Platform,
    deployment: Deployment,
    release: Release,
    document: RolloutDocument,
    judgement: Judgement | None,
    wait: Callable[[], None] = lambda: None,
) -> Incident:
    """Open, fill and keep the incident of a rolled-back release; calling again loses nothing that was done meanwhile.

    Args:
        platform: the ports.
        deployment: where it happened.
        release: what was rolled back.
        document: how the rollout went.
        judgement: what the judge thought at last; None where the canary was never measured.
        wait: called between looks at the metrics, such as to keep a lease.
    """
    site = platform.sites[deployment.environment]
    incident = _opened(deployment, release, document, judgement)
    kept = platform.incidents.keep(partial(_joined, incident))
    tell_opened(platform, kept)
    incident = replace(incident, id=kept.id)
    incident = _inspect_logs(platform, site, deployment, document, incident)
    incident = _verified(platform, deployment, incident, wait)
    drafted_at = platform.clock.now()
    incident = incident.with_entry(drafted_at, IncidentStep.POSTMORTEM_DRAFTED, "the postmortem was drafted from facts")
    incident = platform.incidents.keep(partial(_joined, incident))
    platform.incidents.attach(
        incident.id, POSTMORTEM, write_postmortem(platform, incident, document).encode(errors="replace")
    )
    return incident


def _joined(found: Incident, known: tuple[Incident, ...]) -> Incident:
    """What was found, with what was done since it was found first; or the incident that is open for the same trouble
    already, such as by an alert about the canary, with what was found. One that is closed stays as it was closed, also
    where somebody closed it while recovery was looked for."""
    closed = next((each for each in known if not each.is_open and _tells_of(each, found)), None)
    if closed is not None:
        return closed
    before = next((each for each in known if each.is_open and (each.id == found.id or _is_of(each, found))), None)
    if before is None:
        return replace(found, id=free_name(found.id, known))
    steps, moments = {entry.step for entry in before.timeline}, {(each.step, each.at) for each in before.timeline}
    joined = before
    for entry in found.timeline:
        if entry.step not in steps or (entry.step in _OF_THE_ROLLOUT and (entry.step, entry.at) not in moments):
            joined = joined.with_entry(entry.at, entry.step, entry.text)
    missing = tuple(dict.fromkeys((*before.missing, *found.missing)))
    was_counted = bool(found.answered_requests) or not before.answered_requests
    counted = found if was_counted else before  # By the snapshot that an alert led to.
    return replace(
        found,
        failed_requests=counted.failed_requests,
        answered_requests=counted.answered_requests,
        all_requests=counted.all_requests,
        counted_seconds=counted.counted_seconds,
        signatures=found.signatures or before.signatures,
        id=before.id,
        reason=before.reason,
        timeline=joined.timeline,
        missing=missing if before.id != found.id else found.missing,
        source=before.source,
        groups=before.groups,
        alerts=before.alerts,
        suspects=before.suspects,
    )


def _tells_of(each: Incident, found: Incident) -> bool:
    """Whether it tells of the very same rollout, by a moment of it."""
    same_place = (each.service, each.environment) == (found.service, found.environment)
    moments = {(entry.step, entry.at) for entry in found.timeline if entry.step in _OF_THE_ROLLOUT}
    return same_place and any((entry.step, entry.at) in moments for entry in each.timeline)


def _is_of(each: Incident, found: Incident) -> bool:
    same_place = (each.service, each.environment) == (found.service, found.environment)
    return same_place and each.suspected_release in ("", found.suspected_release)


def _opened(
    deployment: Deployment, release: Release, document: RolloutDocument, judgement: Judgement | None
) -> Incident:
    plan, entries = document.state.plan, list[TimelineEntry]()
    if document.exposed_at is not None:
        text = f"the canary of {release.name} got its first share of the traffic"
        entries.append(TimelineEntry(document.exposed_at, IncidentStep.INTRODUCED, text))
    elif document.promoted_at is not None:
        text = f"{release.name} began to replace what ran before, by a rolling update without canary"
        entries.append(TimelineEntry(document.promoted_at, IncidentStep.INTRODUCED, text))
    detected_at = document.detected_at or document.state.phase_since
    entries.append(TimelineEntry(detected_at, IncidentStep.DETECTED, document.state.reason))
    if document.shifted_back_at is not None:
        previous = plan.previous_unit
        text = "the version was removed; none ran before it"
        if previous is not None:
            text = f"all traffic went back to stable ({previous.told_beside(plan.unit)})"
        entries.append(TimelineEntry(document.shifted_back_at, IncidentStep.ROLLED_BACK, text))
    opened = "opened by a rollout that was turned back"
    entries.append(TimelineEntry(document.state.phase_since, IncidentStep.OPENED, opened))
    entries.sort(key=lambda entry: entry.at)
    return Incident(
        id=f"{release.service}-{release.key}-{deployment.environment}",
        service=release.service,
        environment=deployment.environment,
        suspected_release=release.key,
        suspected_digest=plan.digest,
        reason=document.state.reason,
        failed_requests=judgement.canary.errors if judgement else 0,
        answered_requests=judgement.canary.requests if judgement else 0,
        timeline=tuple(entries),
        missing=_unmeasured(document),
        all_requests=_all_requests(document),
        counted_seconds=(document.looks[-1].at - document.looks[0].at).total_seconds() if document.looks else None,
    )


def _all_requests(document: RolloutDocument) -> int | None:
    """Of both versions, while the canary was looked at."""
    return document.looks[-1].canary.requests + document.looks[-1].stable.requests if document.looks else None


def _unmeasured(document: RolloutDocument) -> tuple[str, ...]:
    failed = f"{document.failed_looks} looks at the metrics failed"
    why = f"{failed}, the last one because {document.unseen.reason}" if document.unseen else failed
    if document.exposed_at is None:
        return ("The version got no traffic as a canary, so its requests were not measured.",)
    if not document.was_measured:
        return (f"Requests of the canary were never measured: {why}.",)
    return (f"Requests are a lower bound: {why}.",) if document.unseen else ()


def _inspect_logs(
    platform: Platform, site: Site, deployment: Deployment, document: RolloutDocument, incident: Incident
) -> Incident:
    since, until = document.exposed_at or document.started_at, platform.clock.now()
    lines = site.logs.errors(deployment.environment, incident.service, since, until, LOG_LINES)
    signatures = () if isinstance(lines, LogsMissing) else signatures_of(lines)
    own = [signature for signature in signatures if signature.release_key == incident.suspected_release]
    if not own and document.last_words:
        signatures = document.last_words
        own = [signature for signature in signatures if signature.release_key == incident.suspected_release]
    if not signatures and isinstance(lines, LogsMissing):
        return incident.lacking(f"Log lines could not be read: {lines.reason}.")
    if not signatures:
        return incident.lacking("The logs hold no error line of that time.")
    if not own:
        return replace(incident, signatures=signatures).lacking("No error line of that time is the release's own.")
    main = own[0]
    text = f"{main.count} error lines of the kind {main.signature!r} from {main.release_key}: {main.example}"
    found = incident.with_entry(until, IncidentStep.LOGS_INSPECTED, text)
    return replace(found, signatures=signatures)


def _verified(platform: Platform, deployment: Deployment, incident: Incident, wait: Callable[[], None]) -> Incident:
    found = verify_recovery(platform, deployment, incident.service, wait)
    if isinstance(found, NotRecovered):
        return incident.lacking(f"Recovery was not verified: {found.reason}.")
    return incident.with_entry(found.at, IncidentStep.RECOVERED, f"every objective is met again: {found.words}")
