"""A rollback opens an incident: what is known goes into its timeline, what can't be known is named.

Recovery is verified, not assumed: it is the first moment after the traffic went back at which stable answered a
window of requests within its objective. A metrics server or a log store that is silent makes the incident say so.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.incident import ErrorSignature, Incident, IncidentStep, TimelineEntry
from shopkart_pipeline.domain.judge import Judgement
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.traffic import MetricsMissing
from shopkart_pipeline.ports.telemetry import LogLine, LogsMissing
from shopkart_pipeline.services.platform import Platform, Site
from shopkart_pipeline.services.rollout_document import RolloutDocument
from shopkart_pipeline.services.write_postmortem import write_postmortem

RECOVERY_WINDOW_SECONDS = 1.0
RECOVERY_DEADLINE_SECONDS = 30.0
RECOVERY_MINIMUM_REQUESTS = 10
_LOG_LINES = 2000


def open_incident(
    platform: Platform,
    deployment: Deployment,
    release: Release,
    document: RolloutDocument,
    judgement: Judgement | None,
) -> Incident:
    """Open, fill and keep the incident of a rolled-back release; calling again gives the same incident."""
    site = platform.sites[deployment.environment]
    incident = _opened(deployment, release, document, judgement)
    incident = _inspect_logs(platform, site, deployment, document, incident)
    incident = _verify_recovery(platform, site, deployment, document, incident)
    drafted_at = platform.clock.now()
    incident = incident.with_entry(drafted_at, IncidentStep.POSTMORTEM_DRAFTED, "the postmortem was drafted from facts")
    platform.incidents.save(incident, write_postmortem(incident, release, document))
    return incident


def _opened(
    deployment: Deployment, release: Release, document: RolloutDocument, judgement: Judgement | None
) -> Incident:
    plan, entries = document.state.plan, list[TimelineEntry]()
    if document.exposed_at is not None:
        text = f"the canary of {release.name} got its first share of production traffic"
        entries.append(TimelineEntry(document.exposed_at, IncidentStep.INTRODUCED, text))
    if document.detected_at is not None:
        entries.append(TimelineEntry(document.detected_at, IncidentStep.DETECTED, document.state.reason))
    if document.shifted_back_at is not None:
        text = f"all traffic went back to stable ({plan.previous_digest or 'none'})"
        entries.append(TimelineEntry(document.shifted_back_at, IncidentStep.ROLLED_BACK, text))
    return Incident(
        id=f"{release.service}-{release.key}-{deployment.environment}",
        service=release.service,
        environment=deployment.environment,
        suspected_release=release.key,
        suspected_digest=plan.digest,
        reason=document.state.reason,
        failed_requests=judgement.canary.errors if judgement else 0,
        answered_requests=judgement.canary.requests if judgement else 0,
        timeline=tuple(entries) or (TimelineEntry(document.started_at, IncidentStep.DETECTED, document.state.reason),),
        missing=() if judgement else ("Requests of the canary were never measured.",),
    )


def _inspect_logs(
    platform: Platform, site: Site, deployment: Deployment, document: RolloutDocument, incident: Incident
) -> Incident:
    since, until = document.exposed_at or document.started_at, platform.clock.now()
    lines = site.logs.errors(deployment.environment, incident.service, since, until, _LOG_LINES)
    if isinstance(lines, LogsMissing):
        return _lacking(incident, f"Log lines could not be read: {lines.reason}.")
    if not lines:
        return _lacking(incident, "The logs hold no error line of that time.")
    signatures = _signatures(lines)
    main = signatures[0]
    text = f"{main.count} error lines of the kind {main.signature!r} from {main.release_key}: {main.example}"
    found = incident.with_entry(until, IncidentStep.LOGS_INSPECTED, text)
    return replace(found, signatures=signatures)


def _signatures(lines: tuple[LogLine, ...]) -> tuple[ErrorSignature, ...]:
    """Error lines clustered by kind and version, the most frequent first."""
    counts = Counter((line.signature or line.message, line.release_key) for line in lines)
    examples = {(line.signature or line.message, line.release_key): line.message for line in reversed(lines)}
    return tuple(
        ErrorSignature(signature, count, examples[signature, release_key], release_key)
        for (signature, release_key), count in counts.most_common(10)
    )


def _verify_recovery(
    platform: Platform, site: Site, deployment: Deployment, document: RolloutDocument, incident: Incident
) -> Incident:
    limit = next((each.limit for each in deployment.objectives if each.measure == "error_ratio"), 0.01)
    deadline = platform.clock.now() + timedelta(seconds=RECOVERY_DEADLINE_SECONDS)
    reason = "no request was measured"
    while platform.clock.now() < deadline:
        window = _window(platform, site, deployment.environment, incident.service)
        if isinstance(window, str):
            reason = window
        elif window[1] <= limit:
            at, ratio = window
            text = f"stable answers within its objective: error ratio {ratio:.3f} <= {limit:.3f}"
            return incident.with_entry(at, IncidentStep.RECOVERED, text)
        else:
            reason = f"the error ratio stayed at {window[1]:.3f} > {limit:.3f}"
    return _lacking(incident, f"Recovery was not verified within {RECOVERY_DEADLINE_SECONDS:.0f} s: {reason}.")


def _window(platform: Platform, site: Site, environment: str, service: str) -> tuple[datetime, float] | str:
    """The end of one window and stable's error ratio in it, or why that is not known."""
    before = site.metrics.traffic(environment, service, platform.clock.now())
    platform.clock.sleep(RECOVERY_WINDOW_SECONDS)
    after = site.metrics.traffic(environment, service, platform.clock.now())
    if isinstance(before, MetricsMissing) or isinstance(after, MetricsMissing):
        missing = before if isinstance(before, MetricsMissing) else after
        return missing.reason if isinstance(missing, MetricsMissing) else "no metrics"
    growth = after.stable - before.stable
    if growth.requests < RECOVERY_MINIMUM_REQUESTS:
        return f"stable answered only {growth.requests} requests in {RECOVERY_WINDOW_SECONDS:.0f} s"
    return after.at, growth.error_ratio


def _lacking(incident: Incident, text: str) -> Incident:
    return replace(incident, missing=(*incident.missing, text))
