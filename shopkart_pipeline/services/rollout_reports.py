"""Past rollouts, read back from the reports that they left as evidence."""

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.detection import ExpectedTraffic
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.evidence import Evidence, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.rollout_document import RolloutDocument, load

REPORT = "rollout.json"
_RELEASES = 20
"""How many of the newest releases are looked through for one that was measured."""


def past_rollout(platform: Platform, release: Release, phase: Phase = Phase.PRODUCTION) -> RolloutDocument:
    """The rollout of a release, as its report tells it; raises `NotFound` where there is none."""
    records = platform.evidence.latest(release.service, release.key)
    for stage in platform.service(release.service).stages_of(phase):
        document = _document(platform, records.get(stage.name))
        if document is not None:
            return document
    raise NotFound(f"{release.name} has no report of a rollout in {phase.value}.", "See `shopkart show`.")


def measured_traffic(platform: Platform, service: str) -> ExpectedTraffic | None:
    """What production got during the newest rollout that measured it, by what stable answered; None where none did.

    An error ratio of zero is taken as half an error, because nothing can be foreseen from no errors at all.
    """
    for release in platform.evidence.releases(service, limit=_RELEASES):
        try:
            document = past_rollout(platform, release)
        except NotFound:
            continue
        if document.was_measured:
            return _traffic(document)
    return None


def _document(platform: Platform, record: StageRecord | None) -> RolloutDocument | None:
    reports = record.result.reports if record and isinstance(record.result, Evidence) else ()
    found = next((report for report in reports if report.name == REPORT), None)
    return load(platform.evidence.get_report(found.digest).decode()) if found else None


def _traffic(document: RolloutDocument) -> ExpectedTraffic | None:
    first, last = document.looks[0], document.looks[-1]
    seconds, stable = (last.at - first.at).total_seconds(), last.stable
    requests = last.canary.requests + stable.requests
    if seconds <= 0 or stable.requests == 0:
        return None
    a_second = requests / seconds
    events = {name: count / stable.requests * a_second for name, count in stable.events.items() if count}
    return ExpectedTraffic(a_second, max(stable.errors, 0.5) / stable.requests, events)
