"""How often tests were flaky over the latest releases of a service: a test that often needs a second attempt is broken,
or what it tests is.
"""

from dataclasses import replace

from shopkart_pipeline.domain.declaration import Stage
from shopkart_pipeline.domain.evidence import Evidence, ToolRun
from shopkart_pipeline.domain.flaky_test import FlakyTest, count_flaky, flaky_names
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.platform import Platform

RELEASES = 20
"""How far back is looked."""
_NAMED = 10


def flaky_tests(platform: Platform, service: str) -> dict[str, tuple[FlakyTest, ...]]:
    """By stage, how many of its latest releases each flaky test was flaky in, the worst first."""
    found = {stage: count_flaky(evidence) for stage, evidence in _evidence(platform, service, None).items()}
    return {stage: tests for stage, tests in found.items() if tests}


def with_history(platform: Platform, release: Release, stage: Stage, run: ToolRun) -> ToolRun:
    """A stage's result, with a note about every test that is flaky in it: how often it was, this time included."""
    if not isinstance(run.result, Evidence) or not flaky_names(run.result):
        return run
    earlier = _evidence(platform, release.service, release).get(stage.name, [])
    counted = count_flaky([run.result, *earlier])
    now = [test for test in counted if test.name in flaky_names(run.result)]
    notes = [f"{test.line}." for test in now[:_NAMED]]
    return replace(run, result=replace(run.result, notes=(*run.result.notes, *notes)))


def _evidence(platform: Platform, service: str, without: Release | None) -> dict[str, list[Evidence]]:
    """By stage, the evidence that a tool made for its latest releases, newest first."""
    found: dict[str, list[Evidence]] = {}
    for release in platform.evidence.releases(service, RELEASES):
        if release == without:
            continue
        for stage, record in platform.evidence.latest(service, release.key).items():
            if isinstance(record.result, Evidence) and record.reused is None:
                found.setdefault(stage, []).append(record.result)
    return found
