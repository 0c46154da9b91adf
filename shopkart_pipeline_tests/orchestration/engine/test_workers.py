"""The table of workers: order, limit, end, and carrying on from records."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from shopkart_pipeline.engine.forking import Child, fork_child
from shopkart_pipeline.engine.places import RunLimits
from shopkart_pipeline.engine.process_identity import ProcessIdentity, identify
from shopkart_pipeline.engine.run_records import Ended, NoRecord, Queued, Running, RunRecords
from shopkart_pipeline.engine.workers import Workers
from shopkart_pipeline_tests.orchestration.engine.homes import is_alive, wait_for

GRACE_SECONDS = 5.0


class Bench:
    """Workers whose runs are what `body` says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = RunRecords(folder)
        self.body: Callable[[], int] = sleep_for_long
        self.started: list[str] = []
        self.pids: list[int] = []

    def workers(self, limit: int = 2) -> Workers:
        return Workers(self.records, self._fork, RunLimits(limit), GRACE_SECONDS)

    def _fork(self, run_id: str) -> Child:
        self.started.append(run_id)
        child = fork_child(self.body, self.folder / f"{run_id}.log", lambda: None)
        self.pids.append(child.pid)
        return child


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for pid in made.pids:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


def sleep_for_long() -> int:
    time.sleep(60)
    return 0


def start_a_tool() -> int:
    tool = subprocess.Popen(["sleep", "60"], start_new_session=True)
    os.write(1, str(tool.pid).encode())
    return sleep_for_long()


def ignore_termination() -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(1, b"ignoring")
    return sleep_for_long()


def test_runs_beyond_the_limit_wait_and_start_in_order(bench: Bench) -> None:
    workers = bench.workers(limit=2)
    runs = [str(uuid4()) for _ in range(4)]
    for run_id in runs:
        workers.accept(run_id, "a_job")

    workers.start_waiting()
    assert bench.started == runs[:2]
    assert workers.queued == runs[2:]

    os.kill(workers.running[runs[0]], signal.SIGKILL)
    wait_for(lambda: workers.look_after(now=0.0))
    workers.start_waiting()
    assert bench.started == runs[:3]
    assert list(workers.running) == runs[1:3]


def test_accepting_a_run_again_changes_nothing(bench: Bench) -> None:
    workers = bench.workers()
    run_id = str(uuid4())
    for _ in range(2):
        workers.accept(run_id, "a_job")
        workers.start_waiting()

    assert bench.started == [run_id]


def test_a_run_that_waits_is_taken_off_the_queue(bench: Bench) -> None:
    workers = bench.workers(limit=0)
    run_id = str(uuid4())
    workers.accept(run_id, "a_job")

    assert workers.terminate(run_id, now=0.0) == "dequeued"

    assert workers.queued == []
    assert isinstance(bench.records.read(run_id), NoRecord)


def test_a_worker_that_does_not_end_in_time_is_killed(bench: Bench) -> None:
    bench.body = ignore_termination
    workers = bench.workers()
    run_id = str(uuid4())
    workers.accept(run_id, "a_job")
    workers.start_waiting()
    log = bench.folder / f"{run_id}.log"
    wait_for(lambda: log.exists() and "ignoring" in log.read_text())

    assert workers.terminate(run_id, now=100.0) == "signalled"
    assert not workers.look_after(now=100.0 + GRACE_SECONDS - 1)
    assert run_id in workers.running
    wait_for(lambda: workers.look_after(now=100.0 + GRACE_SECONDS + 1))

    record = bench.records.read(run_id)
    assert isinstance(record, Ended)
    assert "SIGKILL" in record.how


def test_what_a_killed_worker_has_started_is_killed_too(bench: Bench) -> None:
    bench.body = start_a_tool
    workers = bench.workers()
    run_id = str(uuid4())
    workers.accept(run_id, "a_job")
    workers.start_waiting()
    log = bench.folder / f"{run_id}.log"
    tool = wait_for(lambda: log.exists() and int(log.read_text() or "0"))
    workers.look_after(now=100.0)

    os.kill(workers.running[run_id], signal.SIGKILL)

    wait_for(lambda: workers.look_after(now=100.1))
    wait_for(lambda: not is_alive(tool))


def test_how_a_worker_ended_is_on_record(bench: Bench) -> None:
    workers = bench.workers(limit=3)
    good, bad = str(uuid4()), str(uuid4())
    for run_id, code in ((good, 0), (bad, 3)):
        bench.body = lambda code=code: code
        workers.accept(run_id, "a_job")
        workers.start_waiting()

    wait_for(lambda: workers.look_after(now=0.0) or not workers.running)
    wait_for(lambda: workers.look_after(now=0.0) or not workers.running)

    assert bench.records.read(good) == Ended(good, "a_job", "its worker ended with exit code 0", succeeded=True)
    assert bench.records.read(bad) == Ended(bad, "a_job", "its worker ended with exit code 3", succeeded=False)


def test_a_successor_carries_on_with_the_queue_and_the_dead(bench: Bench) -> None:
    waiting = [str(uuid4()) for _ in range(3)]
    for sequence, run_id in enumerate(reversed(waiting)):
        bench.records.write(Queued(run_id, "a_job", 10 - sequence))
    dead = str(uuid4())
    bench.records.write(Running(dead, "a_job", ProcessIdentity(os.getpid(), "another start")))
    workers = bench.workers(limit=1)

    assert workers.take_over(now=0.0)

    assert workers.queued == waiting
    assert isinstance(bench.records.read(dead), Ended)


def test_a_child_that_was_not_let_start_leaves_no_trace(bench: Bench) -> None:
    bench.body = lambda: (bench.folder / "trace").touch() or 0
    child = bench._fork(str(uuid4()))

    os.close(child._start_pipe)

    _, status = os.waitpid(child.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 75
    assert not (bench.folder / "trace").exists()


def test_a_pid_that_belongs_to_another_process_now_is_told_apart() -> None:
    mine = identify(os.getpid())

    assert mine is not None
    assert mine.is_alive()
    assert not ProcessIdentity(mine.pid, "earlier").is_alive()


def test_a_record_that_can_not_be_read_is_no_record(bench: Bench) -> None:
    run_id = str(uuid4())
    (bench.folder / f"{run_id}.json").write_text('{"kind": "running"')

    record = bench.records.read(run_id)

    assert isinstance(record, NoRecord)
    assert "can't be read" in record.reason
    assert list(bench.records.all()) == []


def test_only_the_latest_ended_runs_are_kept(bench: Bench) -> None:
    runs = [str(uuid4()) for _ in range(4)]
    for number, run_id in enumerate(runs):
        bench.records.write(Ended(run_id, "a_job", "ended", succeeded=True))
        os.utime(bench.folder / f"{run_id}.json", (number, number))
    bench.records.write(Queued(str(uuid4()), "a_job", 1))

    bench.records.forget_oldest(keep=2)

    kept = {record.run_id for record in bench.records.all() if isinstance(record, Ended)}
    assert kept == set(runs[2:])
    assert len(list(bench.records.all())) == 3
