"""A load test of staging: what counts, what is missing, and what is kept of it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, Tool
from shopkart_pipeline.domain.load_report import LOAD_REPORT, LoadReport, Second, StepResult
from shopkart_pipeline.domain.load_test import LoadObjective, LoadRequest, LoadTest
from shopkart_pipeline.domain.pod import Autoscale
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.vitals import PeakRate, Vital
from shopkart_pipeline.domain.workload import ServiceStatus, Track, WorkloadSpec
from shopkart_pipeline.spec.compile_load_test import load_gates
from shopkart_pipeline_tests.fakes.fake_scanner import FakeScanner
from shopkart_pipeline_tests.fakes.world import STAGING, World

LOAD = LoadTest((1.0, 2.0), 0.0, 3.0, (LoadRequest("/"),), (LoadObjective("latency_p99_seconds", 0.3),), 40.0)
STAGE = Stage("load_test", StageKind.LOAD_TEST, Phase.STAGING, ("staging",), timeout_seconds=60.0, load=LOAD)
MEASURES = {
    f"x{multiple}_{name}": value
    for multiple in (1, 2)
    for name, value in (("latency_p99_seconds", 0.1 * multiple), ("sent_ratio", 1.0), ("error_ratio", 0.0))
}


def _report(world: World) -> RawReport:
    seconds = {at: Second(sent=40, answered=39, failed=1) for at in range(6)}
    for each in seconds.values():
        each.latencies[100] = 39
    report = LoadReport(tuple(StepResult(step) for step in LOAD.steps), seconds)
    return RawReport(LOAD_REPORT, "application/json", report.document(world.clock.now()))


@pytest.fixture
def generator(world: World) -> FakeScanner:
    """The stage is declared for the backend, and this is what sends the load."""
    declare(world, STAGE)
    given = FakeScanner("open-loop", Evidence(Tool("open-loop", "1"), "x1 and x2", MEASURES), raw=(_report(world),))
    world.scanners[StageKind.LOAD_TEST] = given
    return given


def declare(world: World, stage: Stage) -> None:
    world.declare(
        "backend",
        lambda service: replace(
            service,
            stages=(*(each for each in service.stages[:-1] if each.name != stage.name), stage, service.stages[-1]),
            gates=(*(gate for gate in service.gates if gate.stage != stage.name), *load_gates([stage], (), ())),
        ),
    )


def in_staging(world: World) -> Release:
    release = world.merge()
    world.run(release, Phase.CI)
    assert world.stage(release, "staging").passed
    return release


def change(world: World, how: Callable[[WorkloadSpec], WorkloadSpec]) -> Callable[[], object]:
    def happens() -> None:
        stable = world.observe(STAGING).stable
        assert stable is not None
        world.cluster.apply(STAGING, "backend", Track.STABLE, how(stable.spec))

    return happens


def evidence(world: World, release: Release) -> Evidence:
    result = world.record(release, "load_test").result
    assert isinstance(result, Evidence)
    return result


def missing(world: World, release: Release) -> str:
    assert not world.stage(release, "load_test").passed
    result = world.record(release, "load_test").result
    assert isinstance(result, EvidenceMissing)
    return result.reason


def test_the_load_goes_to_staging_and_the_numbers_are_kept(world: World, generator: FakeScanner) -> None:
    release = in_staging(world)

    assert world.stage(release, "load_test").passed

    [request] = generator.requests
    assert request.url == "http://backend.staging.example"
    found = evidence(world, release)
    assert found.measures.items() >= MEASURES.items()
    assert (found.measures["restarts"], found.measures["replicas_after"]) == (0.0, 1.0)
    assert {report.name for report in found.reports} == {
        "load.json",
        "load-requests.png",
        "load-latency.png",
        "staging-metrics.json",
    }
    assert "A peak of 40 requests a second is declared." in found.notes
    assert any(
        "1 of staging's replicas were ready at the end, and production is declared with 2" in note
        for note in found.notes
    )


def test_an_objective_that_is_not_kept_blocks_with_value_and_limit(world: World, generator: FakeScanner) -> None:
    release = in_staging(world)
    slow = {**MEASURES, "x2_latency_p99_seconds": 1.25}
    generator.result = Evidence(Tool("open-loop", "1"), "slow", slow)

    outcome = world.stage(release, "load_test")

    assert not outcome.passed
    [gate] = [gate for gate in outcome.gates if gate.outcome.value != "pass"]
    assert (gate.gate, gate.value, gate.limit) == ("x2_latency_p99_seconds", 1.25, 0.3)


def test_a_latency_that_nobody_has_is_missing_rather_than_good(world: World, generator: FakeScanner) -> None:
    release = in_staging(world)
    generator.result = Evidence(Tool("open-loop", "1"), "nothing answered", {"x1_error_ratio": 1.0})
    outcome = world.stage(release, "load_test")
    assert not outcome.passed
    assert {gate.outcome.value for gate in outcome.gates if "latency" in gate.gate} == {"missing"}


def test_production_waits_for_the_load_test(world: World, generator: FakeScanner) -> None:
    release = in_staging(world)
    generator.result = EvidenceMissing("at 2 times the peak the generator could not send 80/s: 61/s")
    assert missing(world, release) == "at 2 times the peak the generator could not send 80/s: 61/s"


def test_staging_s_own_metrics_stand_beside_the_load(world: World, generator: FakeScanner) -> None:
    release = in_staging(world)
    now = world.clock.now()
    world.vitals.points = {
        (Vital.CPU_USAGE_CORES, release.key): [(now, 0.2), (now + timedelta(seconds=0.05), 1.9)],
        (Vital.DATABASE_CONNECTIONS, ""): [(now, 97.0)],
    }
    world.stage(release, "load_test")

    found = evidence(world, release)

    assert (found.measures["highest_cpu_usage_cores"], found.measures["highest_database_connections"]) == (1.9, 97.0)
    names = {report.name for report in found.reports}
    assert {"staging-cpu-usage-cores.png", "staging-database-connections.png"} <= names
    silent = [note for note in found.notes if note.startswith("Not measured in staging")]
    assert "Not measured in staging: Memory usage (nobody measured memory_usage_bytes)." in silent
    assert not [note for note in silent if "CPU" in note]


def test_without_metrics_of_staging_the_evidence_says_so_and_the_gates_decide(
    world: World, generator: FakeScanner
) -> None:
    release = in_staging(world)
    world.vitals.silence = "nobody measures this environment; declare `telemetry` for it"
    assert world.stage(release, "load_test").passed
    [silence] = [note for note in evidence(world, release).notes if note.startswith("Not measured in staging")]
    assert "CPU usage" in silence
    assert "declare `telemetry` for it" in silence


def test_a_measured_peak_is_production_s(world: World, generator: FakeScanner) -> None:
    declare(world, replace(STAGE, load=replace(LOAD, peak_rate=None, peak_window_seconds=7 * 86_400.0)))
    release = in_staging(world)
    world.vitals.peak = PeakRate(55.0, 0.97)

    assert world.stage(release, "load_test").passed

    assert generator.requests[0].variables["SHOPKART_PEAK_RATE"] == "55.0"
    note = "A peak of 55 requests a second is what production showed in the last 7 d."
    assert note in evidence(world, release).notes


@pytest.mark.parametrize(
    ("peak", "words"),
    [
        (None, "production's peak is not known: nobody counted requests"),
        (PeakRate(55.0, 0.5), "only 50 % of the last 7 d were measured"),
        (PeakRate(0.0, 1.0), "production had no requests in the last 7 d"),
    ],
)
def test_a_peak_that_is_not_known_is_missing_and_nothing_is_sent(
    world: World, generator: FakeScanner, peak: PeakRate | None, words: str
) -> None:
    declare(world, replace(STAGE, load=replace(LOAD, peak_rate=None, peak_window_seconds=7 * 86_400.0)))
    release = in_staging(world)
    world.vitals.peak = peak
    reason = missing(world, release)
    assert words in reason
    assert "declare `peak` as a rate" in reason
    assert not generator.requests


def test_a_measured_peak_that_is_too_low_to_tell_anything_is_missing(world: World, generator: FakeScanner) -> None:
    declare(world, replace(STAGE, load=replace(LOAD, peak_rate=None, peak_window_seconds=3600.0)))
    release = in_staging(world)
    world.vitals.peak = PeakRate(0.5, 1.0)
    assert "2 requests at 1 times the peak are too few for latency_p99_seconds, which needs 100" in missing(
        world, release
    )
    assert not generator.requests


def test_another_version_in_staging_would_prove_nothing(world: World, generator: FakeScanner) -> None:
    release = in_staging(world)
    in_staging(world)
    assert "the tests would prove nothing" in missing(world, release)
    assert not generator.requests


def test_another_version_that_takes_staging_meanwhile_makes_it_missing(world: World, generator: FakeScanner) -> None:
    release = in_staging(world)
    generator.meanwhile = change(world, lambda spec: replace(spec, digest=f"sha256:{'b' * 64}"))
    world.registry.known = None
    assert "the tests would prove nothing" in missing(world, release)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (lambda spec: replace(spec, autoscale=Autoscale(2, 9, 60)), "the bounds of the autoscaler changed"),
        (lambda spec: replace(spec, replicas=3), "the number of replicas was changed from 1 to 3"),
        (lambda spec: replace(spec, variables={"WORKERS": "64"}), "the configuration of what was tested changed"),
    ],
)
def test_what_is_changed_meanwhile_makes_it_missing(
    world: World, generator: FakeScanner, how: Callable[[WorkloadSpec], WorkloadSpec], words: str
) -> None:
    release = in_staging(world)
    generator.meanwhile = change(world, how)
    assert words in missing(world, release)
    reports = world.record(release, "load_test").result.reports
    assert "load.json" in {report.name for report in reports}, "what was measured is kept to look at"


def test_a_rollout_under_way_in_staging_is_two_versions(world: World, generator: FakeScanner) -> None:
    release = in_staging(world)
    stable = world.observe(STAGING).stable
    assert stable is not None
    world.cluster.apply(STAGING, "backend", Track.CANARY, stable.spec)
    assert "a rollout is under way in staging" in missing(world, release)
    assert not generator.requests


def test_a_replica_that_was_started_again_blocks(
    world: World, generator: FakeScanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = in_staging(world)
    observe = world.cluster.observe

    def with_restarts(environment: str, service: str) -> ServiceStatus:
        status = observe(environment, service)
        stable = (
            status.stable if not generator.requests or status.stable is None else replace(status.stable, restarts=2)
        )
        return replace(status, stable=stable)

    monkeypatch.setattr(world.cluster, "observe", with_restarts)
    outcome = world.stage(release, "load_test")
    [gate] = [gate for gate in outcome.gates if gate.outcome.value != "pass"]
    assert (gate.gate, gate.value) == ("restarts", 2.0)


def test_the_report_draws_what_was_sent_and_what_staging_was_not_asked_for(
    world: World, generator: FakeScanner
) -> None:
    release = in_staging(world)
    world.stage(release, "load_test")
    reports = {each.name: world.evidence.get_report(each.digest) for each in evidence(world, release).reports}
    assert reports["load-requests.png"].startswith(b"\x89PNG")
    told = json.loads(reports["staging-metrics.json"])
    assert told["cpu_usage_cores"] == "missing: nobody measured cpu_usage_cores"
