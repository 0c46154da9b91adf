"""Which earlier list of tests a release is compared with, so that no test vanishes unnoticed.

It is the list of the release in production. Where there is none, or it left no list, it is that of the newest earlier
release whose stage passed: one that was stopped, perhaps because tests had vanished, must not become the measure of the
next.
"""

from collections.abc import Iterator

from shopkart_pipeline.domain.declaration import Phase, Stage
from shopkart_pipeline.domain.evidence import Evidence, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import Outcome, Verdict
from shopkart_pipeline.ports.scanner import TEST_LIST
from shopkart_pipeline.services.judge_release import stage_lines
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import current

_RELEASES = 50


def earlier_tests(platform: Platform, release: Release, stage: Stage) -> bytes | None:
    """The earlier list of a stage's tests; None where there is none."""
    for record in _records(platform, release, stage):
        if isinstance(record.result, Evidence):
            for report in record.result.reports:
                if report.name == TEST_LIST:
                    return platform.evidence.get_report(report.digest)
    return None


def _records(platform: Platform, release: Release, stage: Stage) -> Iterator[StageRecord]:
    """Records of the stage that a release may be compared with, the best first."""
    placed = current(platform, release.service, platform.environment_of(Phase.PRODUCTION).name)
    if placed is not None and placed.release_key != release.key:
        record = platform.evidence.latest(release.service, placed.release_key).get(stage.name)
        if record is not None:
            yield record
    for earlier in platform.evidence.releases(release.service, _RELEASES):
        is_earlier = earlier.key != release.key and earlier.received_at <= release.received_at
        if not is_earlier or earlier.pull_request is not None:
            continue
        records = platform.evidence.latest(release.service, earlier.key)
        record = records.get(stage.name)
        if record and Verdict(stage_lines(platform, earlier, record, records)).outcome is Outcome.PASS:
            yield record
