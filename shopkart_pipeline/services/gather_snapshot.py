"""What was to be seen when an incident began: metrics as pictures, error lines counted against the time before, the
releases before it, and where to look on.

All of it is gathered once, as soon as somebody can, and kept beside the incident, because metrics and logs are not kept
for ever. Each part is gathered for itself: what is silent, slow or full is named among what is missing, and stops
nothing else. The last thing that is kept is the list of it all, so whoever is killed before is made up for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.incident import ErrorSignature, Incident, IncidentStep, Suspect
from shopkart_pipeline.domain.incident_policy import hurt_since
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.domain.suspicion import most_suspicious
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import Vital, VitalMissing
from shopkart_pipeline.ports.telemetry import LogsMissing
from shopkart_pipeline.services.error_signatures import errors_against_before
from shopkart_pipeline.services.find_suspects import find_suspects
from shopkart_pipeline.services.platform import Platform, Site
from shopkart_pipeline.services.plot_vitals import plot
from shopkart_pipeline.services.tell_incident import tell_suspect

SNAPSHOT, LOG_EXCERPT = "snapshot.json", "errors.log"
_BEFORE = timedelta(minutes=30)
"""Pictures begin that long before the trouble, so that one sees what was usual."""
_EXCERPT_LINES = 200
_LONGEST_LINE = 2000


@dataclass(frozen=True)
class Snapshot:
    """What was found, and what was not."""

    since: datetime
    until: datetime
    missing: tuple[str, ...] = ()
    signatures: tuple[ErrorSignature, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    answered: Counts | None = None
    """By all versions together since it began; None: nobody counted."""


def is_gathered(platform: Platform, incident_id: str) -> bool:
    """Whether it was done already."""
    return SNAPSHOT in platform.incidents.attached(incident_id)


def gather_snapshot(platform: Platform, incident_id: str) -> Incident:
    """Gather everything, keep it, and return the incident; gathering it again replaces what was there.

    Raises:
        NotFound: there is no such incident.
        ToolUnavailable: the incident could not be kept.
    """
    incident, until = platform.incidents.get(incident_id), platform.clock.now()
    since, site = hurt_since(incident), platform.sites.get(incident.environment)
    found = Snapshot(since, until)
    if site is None or incident.service not in platform.pipeline.services:
        found = _lacking(found, f"{incident.service} is no declared service: nothing could be looked at.")
    else:
        found = _gathered(found, _causes(platform, site, incident))
        told = platform.incidents.change(incident_id, lambda it: _with(it, found))
        tell_suspect(platform, told)
        found = _gathered(found, {vital.words: _picture_of(platform, site, incident, vital) for vital in Vital})
    kept = platform.incidents.change(incident_id, lambda it: _with(it, found))
    platform.incidents.attach(incident_id, SNAPSHOT, canonical_json(found))
    return kept


def _causes(platform: Platform, site: Site, incident: Incident) -> Mapping[str, Callable[[Snapshot], Snapshot]]:
    """What says whom to suspect comes first: it is known before pictures are asked for, one after the other."""
    return {
        "Errors in the logs": lambda it: _with_errors(site, incident, it),
        "Log lines": lambda it: _with_excerpt(platform, site, incident, it),
        "Releases": lambda it: replace(it, suspects=find_suspects(platform, incident, it.signatures)),
        "Requests": lambda it: _with_requests(site, incident, it),
    }


def _gathered(found: Snapshot, parts: Mapping[str, Callable[[Snapshot], Snapshot]]) -> Snapshot:
    for name, gather in parts.items():
        try:
            found = gather(found)
        except PipelineError as error:
            found = _lacking(found, f"{name}: {error.what}")
        except Exception as error:  # Whatever a part does, the others are gathered.
            found = _lacking(found, f"{name}: {type(error).__name__}")
    return found


def _lacking(found: Snapshot, text: str) -> Snapshot:
    return replace(found, missing=(*found.missing, text))


def _with_errors(site: Site, incident: Incident, found: Snapshot) -> Snapshot:
    report = errors_against_before(site, incident.environment, incident.service, found.since, found.until)
    return replace(found, signatures=report.signatures, missing=(*found.missing, *report.missing))


def _with_excerpt(platform: Platform, site: Site, incident: Incident, found: Snapshot) -> Snapshot:
    lines = site.logs.errors(incident.environment, incident.service, found.since, found.until, _EXCERPT_LINES)
    if isinstance(lines, LogsMissing) or not lines:
        return found  # Why is said by those who count them.
    written = [f"{line.at.isoformat()} {line.release_key} {line.level} {line.message}" for line in lines]
    text = "".join(f"{plain(' '.join(each.split()))[:_LONGEST_LINE]}\n" for each in written)
    platform.incidents.attach(incident.id, LOG_EXCERPT, text.encode(errors="replace"))
    return found


def _with_requests(site: Site, incident: Incident, found: Snapshot) -> Snapshot:
    told = site.vitals.answered(incident.environment, incident.service, found.since, found.until)
    if isinstance(told, VitalMissing):
        return _lacking(found, f"Requests since it began were not counted: {told.reason}.")
    return replace(found, answered=sum(told.values(), Counts(0, 0)))


def _picture_of(platform: Platform, site: Site, incident: Incident, vital: Vital) -> Callable[[Snapshot], Snapshot]:
    def draw(found: Snapshot) -> Snapshot:
        since = found.since - _BEFORE
        series = site.vitals.series(incident.environment, incident.service, vital, since, found.until)
        if isinstance(series, VitalMissing):
            return _lacking(found, f"{vital.words} was not measured: {series.reason}.")
        marks = [(found.since, "began"), *((each.at, each.release_key) for each in found.suspects if each.at >= since)]
        platform.incidents.attach(incident.id, f"{vital}.png", plot(series, title_of(incident, vital), marks))
        return found

    return draw


def title_of(incident: Incident, vital: Vital) -> str:
    """What stands above the picture of a metric."""
    return f"{vital.words}: {incident.service} in {incident.environment}"


def _with(incident: Incident, found: Snapshot) -> Incident:
    """The incident with what was found; what a rollout measured of its own canary is better, and stays."""
    suspect = most_suspicious(found.suspects)
    if not incident.suspected_release and suspect is not None:
        incident = replace(incident, suspected_release=suspect.release_key, suspected_digest=suspect.digest)
    if found.answered is not None and not incident.answered_requests:
        counted = found.answered
        incident = replace(
            incident,
            answered_requests=counted.requests,
            failed_requests=counted.errors,
            all_requests=counted.requests,
            counted_seconds=(found.until - found.since).total_seconds(),
        )
    incident = replace(incident, suspects=found.suspects or incident.suspects, signatures=_errors(incident, found))
    for text in found.missing:
        incident = incident.lacking(text)
    return _with_own_errors(incident, found)


def _errors(incident: Incident, found: Snapshot) -> tuple[ErrorSignature, ...]:
    """What a rollout read before its canary left is more than a log store may still have; how often each kind was there
    before is counted here alone."""
    before = {(each.signature, each.release_key): each.before for each in found.signatures}
    known = (
        replace(each, before=before.get((each.signature, each.release_key), each.before))
        for each in incident.signatures
    )
    return tuple(known) or found.signatures


def _with_own_errors(incident: Incident, found: Snapshot) -> Incident:
    own = [each for each in found.signatures if each.release_key == incident.suspected_release]
    if not own or incident.time_of(IncidentStep.LOGS_INSPECTED) is not None:
        return incident
    text = f"{own[0].count} error lines of the kind {own[0].signature!r} from {own[0].release_key}: {own[0].example}"
    return incident.with_entry(found.until, IncidentStep.LOGS_INSPECTED, text)
