"""What the sampler makes of what it sees: whose requests they were, and what nobody could see."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.ports import BOOK, PortBook
from shopkart_pipeline.adapters.local_cluster.sampler import Sampler
from shopkart_pipeline.adapters.local_cluster.samples import Sample, Samples
from shopkart_pipeline.adapters.local_cluster.state import ReplicaRecord
from shopkart_pipeline.adapters.local_cluster.vitals import LocalVitals
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import PeakRate, Vital, VitalMissing
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline_tests.contract.cluster_worlds import a_spec
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock
from shopkart_pipeline_tests.fakes.servers import served

_PLACE = ("production", "backend")


def _replica(version: str, number: int = 1, track: Track = Track.STABLE, restarts: int = 0) -> ReplicaRecord:
    spec = replace(a_spec("sha256:1"), release_key=version)
    handle = f"{os.getsid(0)}:1.0"  # Everything in this session is the replica's.
    name = f"{track}-{number}"
    return ReplicaRecord(name, track, spec, 20_000, handle, ready=True, routed=True, restarts=restarts)


class Balancer:
    """What the load balancer says it has answered, by track and status; None: it does not answer."""

    def __init__(self) -> None:
        self.answered: Mapping[tuple[str, int], int] | None = {}

    @property
    def page(self) -> str:
        name, place = "traefik_service_requests_total", "production.backend"
        lines = [
            f'{name}{{code="{status}",method="GET",service="{place}.{track}@file"}} {count}'
            for (track, status), count in (self.answered or {}).items()
        ]
        return "\n".join(["traefik_config_reloads_total 1", *lines, ""])


@pytest.fixture(scope="module")
def serving() -> Iterator[tuple[Balancer, int]]:
    balancer = Balancer()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if balancer.answered is not None else 503)
            self.end_headers()
            self.wfile.write(balancer.page.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with served(Page) as address:
        yield balancer, int(address.rpartition(":")[2])


@dataclass
class Home:
    """A home in which time is told."""

    folders: Folders
    balancer: Balancer
    clock: FakeClock
    samples: Samples

    def sampler(self, runtime: str = "process") -> Sampler:
        return Sampler(self.folders, (), runtime, self.clock, dict, self.samples)

    def tick(self, sampler: Sampler, *replicas: ReplicaRecord, **answered: int) -> None:
        """Five seconds later, with so many answers so far, such as `stable_200`."""
        self.clock.sleep(5)
        if answered:
            self.balancer.answered = {
                (name.partition("_")[0], int(name.partition("_")[2])): number for name, number in answered.items()
            }
        sampler.tick({_PLACE: replicas})

    def answered(self, seconds: float) -> Mapping[str, Counts] | VitalMissing:
        now = self.clock.now()
        return LocalVitals(self.samples).answered(*_PLACE, now - timedelta(seconds=seconds), now)

    def now(self, vital: Vital) -> object:
        found = LocalVitals(self.samples).now(*_PLACE, self.clock.now())[vital]
        return found.reason if isinstance(found, VitalMissing) else {each.version: each.value for each in found}


@pytest.fixture
def home(tmp_path: Path, serving: tuple[Balancer, int]) -> Home:
    balancer, port = serving
    balancer.answered = {}
    folders = Folders(tmp_path)
    BOOK.write(folders.ports, PortBook({"balancer": port}), durable=False)
    return Home(folders, balancer, FakeClock(), Samples(tmp_path / "vitals.db"))


def test_requests_belong_to_the_version_of_their_track(home: Home) -> None:
    sampler, stable, canary = home.sampler(), _replica("r1"), _replica("r2", 2, Track.CANARY)
    home.tick(sampler, stable, stable_200=100)
    home.tick(sampler, stable, canary, stable_200=150, stable_500=10, canary_200=5)
    assert home.answered(5) == {"r1": Counts(60, 10), "r2": Counts(5, 0)}
    assert home.now(Vital.REQUEST_RATE) == {"r1": 12.0}
    home.tick(sampler, stable, canary, stable_200=150, stable_500=10, canary_200=15)
    assert home.now(Vital.REQUEST_RATE) == {"r1": 6.0, "r2": 2.0}
    assert home.now(Vital.ERROR_RATIO) == {"r1": 10 / 60, "r2": 0.0}


def test_what_is_answered_while_two_versions_share_a_track_is_the_newer_ones(home: Home) -> None:
    sampler = home.sampler()
    home.tick(sampler, _replica("r1"), stable_200=100)
    home.tick(sampler, _replica("r1"), _replica("r2", 2), stable_200=130)
    assert home.answered(5) == {"r1": Counts(0, 0), "r2": Counts(30, 0)}


def test_the_last_answers_of_a_track_that_left_are_still_its_versions(home: Home) -> None:
    sampler, stable, canary = home.sampler(), _replica("r1"), _replica("r2", 2, Track.CANARY)
    home.tick(sampler, stable, canary, stable_200=10, canary_200=10)
    home.tick(sampler, stable, stable_200=10, canary_200=10, canary_500=4)
    home.tick(sampler, stable)
    assert home.answered(10) == {"r1": Counts(0, 0), "r2": Counts(4, 4)}
    assert home.now(Vital.POD_RESTARTS) == {"r1": 0.0}


def test_a_load_balancer_that_started_again_takes_nothing_away(home: Home) -> None:
    sampler = home.sampler()
    home.tick(sampler, _replica("r1"), stable_200=100)
    home.tick(sampler, _replica("r1"), stable_200=120)
    home.tick(sampler, _replica("r1"), stable_200=7)
    assert home.answered(10) == {"r1": Counts(27, 0)}


def test_a_silent_load_balancer_is_a_reason_and_hides_nothing_once_it_speaks_again(home: Home) -> None:
    sampler = home.sampler()
    home.tick(sampler, _replica("r1"), stable_200=100)
    home.balancer.answered = None
    for _ in range(4):
        home.tick(sampler, _replica("r1"))
    missing = home.answered(20)
    assert isinstance(missing, VitalMissing)
    assert "answer with status 503" in missing.reason
    assert isinstance(home.now(Vital.MEMORY_USAGE_BYTES), dict)
    home.tick(sampler, _replica("r1"), stable_200=160)
    assert home.answered(25) == {"r1": Counts(60, 0)}


def test_a_new_controller_goes_on_where_the_old_one_ended(home: Home) -> None:
    home.tick(home.sampler(), _replica("r1"), stable_200=100)
    home.tick(home.sampler(), _replica("r1"), stable_200=130)
    assert home.answered(5) == {"r1": Counts(30, 0)}


def test_what_was_answered_before_anybody_sampled_is_unknown(home: Home) -> None:
    sampler = home.sampler()
    home.tick(sampler, _replica("r1"), stable_200=1000)
    home.tick(sampler, _replica("r1"), stable_200=1001)
    assert home.answered(5) == {"r1": Counts(1, 0)}
    assert home.answered(60) == VitalMissing(
        home.clock.now(), "nobody sampled 60 s ago, so what was answered since is unknown"
    )


def test_a_sampler_that_is_away_is_told(home: Home) -> None:
    assert home.now(Vital.REQUEST_RATE) == "nobody samples the local cluster; is it running?"
    home.tick(home.sampler(), _replica("r1"), stable_200=100)
    home.clock.sleep(40)
    assert home.now(Vital.REQUEST_RATE) == "the local cluster's last sample is 40 s old; is it running?"


def test_the_process_table_tells_cpu_and_memory_and_the_controller_restarts(home: Home) -> None:
    sampler = home.sampler()
    home.tick(sampler, _replica("r1", restarts=3), stable_200=1)
    assert home.now(Vital.CPU_USAGE_CORES) == "sampling has just begun"
    home.tick(sampler, _replica("r1", restarts=3))
    memory, cores = home.now(Vital.MEMORY_USAGE_BYTES), home.now(Vital.CPU_USAGE_CORES)
    assert isinstance(memory, dict)
    assert isinstance(cores, dict)
    assert memory["r1"] > 1e6
    assert cores["r1"] >= 0
    assert home.now(Vital.POD_RESTARTS) == {"r1": 3.0}


def test_logs_and_scratch_folders_are_what_a_replica_keeps_on_disk(home: Home) -> None:
    scratch = home.folders.scratch_of(*_PLACE, "stable-1")
    scratch.mkdir(parents=True)
    (scratch / "upload").write_bytes(b"x" * 300_000)
    home.tick(home.sampler(), _replica("r1"), stable_200=1)
    found = home.now(Vital.DISK_USAGE_BYTES)
    assert isinstance(found, dict)
    assert 300_000 <= found["r1"] < 400_000


def test_containers_are_not_looked_into_and_that_is_said(home: Home) -> None:
    home.tick(home.sampler("docker"), _replica("r1"), stable_200=1)
    assert (
        home.now(Vital.MEMORY_USAGE_BYTES) == "replicas are containers, which the embedded platform does not look into"
    )
    assert home.now(Vital.POD_RESTARTS) == {"r1": 0.0}


def test_a_full_disk_does_not_end_the_sampler(home: Home) -> None:
    sampler = home.sampler()
    home.folders.root.mkdir(exist_ok=True)
    sampler._samples = Samples(home.folders.ports / "no-folder.db")  # pyright: ignore[reportPrivateUsage]
    home.tick(sampler, _replica("r1"), stable_200=1)
    sampler._samples = home.samples  # pyright: ignore[reportPrivateUsage]
    home.tick(sampler, _replica("r1"), stable_200=4)
    assert home.now(Vital.POD_RESTARTS) == {"r1": 0.0}


def test_the_file_stays_small(tmp_path: Path) -> None:
    samples, now = Samples(tmp_path / "vitals.db"), datetime(2026, 3, 10, 12, tzinfo=UTC)
    kept = Sample(Counts(1, 0))
    ages = [timedelta(days=5), timedelta(hours=2), timedelta(hours=2, seconds=-20), timedelta(minutes=30, seconds=-20)]
    for number, age in enumerate(ages):
        writer = samples if number == 0 else Samples(tmp_path / "vitals.db")
        writer.note(now - age, {(*_PLACE, "r1"): kept}, {})
    Samples(tmp_path / "vitals.db").note(now, {(*_PLACE, "r1"): kept}, {})
    begin = now - timedelta(days=30)
    assert [now - each.at for each in samples.of(*_PLACE, begin, now)] == [ages[1], ages[3], timedelta(0)]
    assert [now - at for at in samples.ticks(begin, now)] == [ages[1], ages[3], timedelta(0)]


def _peak(samples: Samples, now: datetime, ago: timedelta) -> PeakRate | VitalMissing:
    return LocalVitals(samples).peak_rate(*_PLACE, now - ago, now)


def test_a_peak_is_the_busiest_minute_of_all_versions_together(tmp_path: Path) -> None:
    samples, now = Samples(tmp_path / "vitals.db"), datetime(2026, 3, 10, 12, tzinfo=UTC)
    answered = {"r1": 0, "r2": 0}
    for minute in range(11):
        answered["r1"] += 600 if minute != 5 else 3000
        answered["r2"] += 0 if minute < 5 else 300
        counts = {(*_PLACE, version): Sample(Counts(count, 0)) for version, count in answered.items()}
        samples.note(now - timedelta(minutes=10 - minute), counts, {})
    assert _peak(samples, now, timedelta(minutes=10)) == PeakRate(55.0, 1.0)
    hour = _peak(samples, now, timedelta(hours=1))
    assert hour == PeakRate(55.0, pytest.approx(10 / 60)), "nobody knows of the rest"


def test_what_came_while_nobody_sampled_is_in_no_peak(tmp_path: Path) -> None:
    samples, now = Samples(tmp_path / "vitals.db"), datetime(2026, 3, 10, 12, tzinfo=UTC)
    for ago, count in ((30, 0), (29, 60), (3, 90_000), (2, 90_060)):
        samples.note(now - timedelta(minutes=ago), {(*_PLACE, "r1"): Sample(Counts(count, 0))}, {})
    assert _peak(samples, now, timedelta(minutes=30)) == PeakRate(1.0, pytest.approx(2 / 30))
    assert isinstance(_peak(samples, now, timedelta(minutes=1)), VitalMissing)
