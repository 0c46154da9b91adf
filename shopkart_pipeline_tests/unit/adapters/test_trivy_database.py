"""When trivy's database is fetched, how old it may be, and what happens meanwhile; with a stand-in for trivy."""

import fcntl
from datetime import timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._trivy_database import TrivyDatabase
from shopkart_pipeline.adapters.trivy_fs import TrivyFs
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.scan_requests import NOON, a_request, a_stage
from shopkart_pipeline_tests.trivy_database import write_metadata
from shopkart_pipeline_tests.trivy_stand_in import TrivyStandIn, sample

LOCK = {"backend/requirements.lock": "starlette==0.30.0\nh11==0.14.0\n"}


class World:
    """A cache, a program and a clock."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.cache = folder, folder / "cache"
        self.program = TrivyStandIn(folder / "program", monkeypatch)
        self.program.scans(sample("folder.json"))
        self.now, self._count = NOON, 0

    def scan(self, **options: str) -> Evidence | EvidenceMissing:
        self._count += 1
        stage = a_stage(options=options, timeout_seconds=10.0)
        request = a_request(self.folder / str(self._count), LOCK, stage=stage)
        return TrivyFs(self.cache, FixedClock(self.now)).scan(request).result

    @property
    def fetches(self) -> int:
        return sum("--download-db-only" in words for words in self.program.asked)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def age_days(result: Evidence | EvidenceMissing) -> float:
    assert isinstance(result, Evidence), result
    return result.measures["snapshot_age_days"]


def reason(result: Evidence | EvidenceMissing) -> str:
    assert isinstance(result, EvidenceMissing), result
    return result.reason


def test_where_there_is_none_it_is_fetched_once(world: World) -> None:
    world.program.fetches(NOON - timedelta(hours=6))

    assert age_days(world.scan()) == age_days(world.scan()) == 0.25
    assert world.fetches == 1


def test_it_is_fetched_anew_when_the_next_one_is_due(world: World) -> None:
    write_metadata(world.cache, NOON - timedelta(days=1, hours=1))
    world.program.fetches(NOON)

    assert age_days(world.scan()) == 0
    assert world.fetches == 1


def test_one_that_was_fetched_lately_is_not_fetched_again_whatever_is_due(world: World) -> None:
    write_metadata(world.cache, NOON - timedelta(hours=1, minutes=30), NOON - timedelta(minutes=5))

    assert age_days(world.scan()) == pytest.approx(1.5 / 24)
    assert world.fetches == 0


def test_a_registry_that_is_away_is_asked_every_ten_minutes_and_a_database_at_hand_serves(world: World) -> None:
    write_metadata(world.cache, NOON - timedelta(days=2))
    world.program.fetches(None)

    results = [world.scan(), world.scan()]
    world.now = NOON + timedelta(minutes=10)
    results.append(world.scan())

    assert world.fetches == 2
    for result in results:
        assert isinstance(result, Evidence)
        assert (
            "A newer database could not be fetched: fetching trivy's database ended with exit code 1: no such host."
            in (result.notes)
        )


def test_one_that_is_too_old_is_no_evidence_and_how_old_it_may_be_is_declared(world: World) -> None:
    write_metadata(world.cache, NOON - timedelta(days=8))
    world.program.fetches(None)

    assert reason(world.scan()).startswith("the advisories are of 2025-02-24, 8.0 days old; at most 7 (fetching")
    assert reason(world.scan(maximum_age_days="7.5")) == "the stage's maximum_age_days is '7.5', no number of days"
    lenient = world.scan(maximum_age_days="9")
    assert age_days(lenient) == 8
    assert isinstance(lenient, Evidence)
    assert "The declaration lets advisories grow 9 days old; 7 is shipped." in lenient.notes


def test_one_of_the_future_is_no_evidence(world: World) -> None:
    write_metadata(world.cache, NOON + timedelta(days=2))

    assert "yet to come" in reason(world.scan())


@pytest.mark.parametrize("content", [b"", b"{}", b'{"UpdatedAt": "yesterday"}', b"[" * 100_000])
def test_without_readable_dates_there_is_none(world: World, content: bytes) -> None:
    (world.cache / "db").mkdir(parents=True)
    (world.cache / "db" / "metadata.json").write_bytes(content)
    world.program.fetches(None)

    assert reason(world.scan()) == (
        "trivy has no vulnerability database (fetching trivy's database ended with exit code 1: no such host)"
    )


def test_a_registry_of_ones_own_is_asked_where_it_is_declared(world: World) -> None:
    world.program.fetches(NOON)

    world.scan(database="registry.example/trivy-db:2")

    assert "--db-repository registry.example/trivy-db:2" in world.program.asked[0]


def test_a_fetch_waits_for_scans_and_gives_up_in_time(world: World) -> None:
    write_metadata(world.cache, NOON - timedelta(days=2))
    world.program.fetches(NOON)
    request = a_request(world.folder, LOCK, stage=a_stage(timeout_seconds=0.3))

    with (world.cache / "in-use.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        result = TrivyFs(world.cache, FixedClock(NOON)).scan(request).result

    assert isinstance(result, Evidence)
    assert "trivy's database was in use for 0.3 seconds" in result.notes[1]
    assert world.fetches == 0


def test_a_scan_waits_for_a_fetch_and_gives_up_in_time(world: World) -> None:
    write_metadata(world.cache, NOON)
    request = a_request(world.folder, LOCK, stage=a_stage(timeout_seconds=0.3))

    with (world.cache / "in-use.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = TrivyFs(world.cache, FixedClock(NOON)).scan(request).result

    assert reason(result) == "trivy's database was in use for 0.3 seconds"


def test_trouble_is_known_once_a_fetch_has_failed_and_not_before(world: World) -> None:
    database = TrivyDatabase(world.cache, FixedClock(NOON))
    request = a_request(world.folder, LOCK)
    world.program.fetches(None)

    before = database.trouble(request)
    world.scan()
    after = database.trouble(request)

    assert before is None
    assert after is not None
    assert after.startswith("trivy has no vulnerability database")


def test_a_cache_that_can_t_be_made_is_no_evidence(world: World) -> None:
    world.cache.write_text("a file")

    assert reason(world.scan()) == "trivy's folders can't be used: File exists"


def test_a_result_depends_on_database_day_and_documents_and_on_nothing_known_where_it_is_due(world: World) -> None:
    scanner = TrivyFs(world.cache, FixedClock(NOON))
    stage = a_stage(options={"vex": "security/vex.json"})
    one = a_request(world.folder / "1", {**LOCK, "security/vex.json": "{}"}, stage=stage)
    other = a_request(world.folder / "2", {**LOCK, "security/vex.json": "[]"}, stage=stage)

    assert scanner.inputs(one) is None
    write_metadata(world.cache, NOON)
    assert scanner.inputs(one) != scanner.inputs(other)
    former = scanner.inputs(one)
    write_metadata(world.cache, NOON - timedelta(hours=1))
    assert scanner.inputs(one) != former
