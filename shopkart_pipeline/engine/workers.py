"""The workers of the runs of one home: who waits, who runs, who has to end, and what is on record about it.

Ordering: a run is on record as queued before its launch is acknowledged; its worker is on record before it starts; it
is on record as ended when it was seen ending. So a server that dies at any moment leaves records from which the next
one carries on: queued runs start, live workers are watched, dead ones are noted. Runs wait in the order in which they
were accepted; which of them may start is decided in `places`.

Knows nothing of sockets and Dagster; time is passed in as monotonic seconds.
"""

import contextlib
import os
import signal
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from shopkart_pipeline.engine.forking import NEVER_STARTED, Child
from shopkart_pipeline.engine.places import RunLimits, next_to_start
from shopkart_pipeline.engine.process_identity import ProcessIdentity, identify, started_by
from shopkart_pipeline.engine.run_records import Ended, NoRecord, Queued, Running, RunRecords

_KEPT_RECORDS = 500
_TIDY_EVERY = 100
_LOOK_SECONDS = 2.0


@dataclass
class _Worker:
    record: Running
    is_own_child: bool
    """Only then its exit code can be had; a worker that a former server started can just be watched."""
    kill_at: float | None = None
    started: tuple[ProcessIdentity, ...] = ()
    """The processes that it had started when it was last looked at; they outlive it when it is killed."""
    looked_at: float = 0.0


class Workers:
    """Starts, watches and ends the workers of one home."""

    def __init__(
        self, records: RunRecords, fork: Callable[[str], Child], limits: RunLimits, terminate_grace_seconds: float
    ) -> None:
        self._records = records
        self._fork = fork
        self._limits = limits
        self._grace_seconds = terminate_grace_seconds
        self._queue: OrderedDict[str, Queued] = OrderedDict()
        self._workers: dict[str, _Worker] = {}
        self._sequence = 0
        self._since_tidy = 0

    @property
    def running(self) -> dict[str, int]:
        """The pid of each running worker by run id."""
        return {run_id: worker.record.worker.pid for run_id, worker in self._workers.items()}

    @property
    def queued(self) -> list[str]:
        """Runs that wait, in order."""
        return list(self._queue)

    def take_over(self, now: float) -> bool:
        """Carry on from the records of a former server. Returns whether a worker died unseen."""
        someone_died = False
        records = list(self._records.all())
        for record in sorted((r for r in records if isinstance(r, Queued)), key=lambda r: r.sequence):
            self._queue[record.run_id] = record
            self._sequence = max(self._sequence, record.sequence)
        for record in (r for r in records if isinstance(r, Running)):
            is_own_child = _is_child(record.worker.pid)
            if is_own_child or record.worker.is_alive():
                kill_at = now + self._grace_seconds if record.terminating else None
                self._workers[record.run_id] = _Worker(record, is_own_child, kill_at)
            else:
                someone_died = True
                self._end(record, "its worker died while no server watched", succeeded=False)
        return someone_died

    def accept(self, run_id: str, job_name: str, queue: str = "", group: str = "") -> None:
        """Put a run on record to be started; one that is on record already stays as it is."""
        if not isinstance(self._records.read(run_id), NoRecord):
            return
        self._sequence += 1
        record = Queued(run_id, job_name, self._sequence, queue, group)
        self._records.write(record)
        self._queue[run_id] = record

    def start_waiting(self) -> None:
        """Start runs that wait while one of them may."""
        while queued := self._next():
            child = self._fork(queued.run_id)
            identity = identify(child.pid) or ProcessIdentity(child.pid, "killed at once")
            record = Running(queued.run_id, queued.job_name, identity, queue=queued.queue, group=queued.group)
            self._records.write(record)
            self._workers[queued.run_id] = _Worker(record, is_own_child=True)
            del self._queue[queued.run_id]
            child.start()

    def _next(self) -> Queued | None:
        at_work = [worker.record for worker in self._workers.values()]
        return next_to_start(self._queue.values(), at_work, self._limits)

    def terminate(self, run_id: str, now: float) -> str:
        """Ask a worker to end, and see to it that it does. Returns `signalled`, `dequeued` or `not_running`."""
        if self._queue.pop(run_id, None):
            self._records.remove(run_id)
            return "dequeued"
        worker = self._workers.get(run_id)
        if worker is None:
            return "not_running"
        if worker.kill_at is None:
            worker.kill_at = now + self._grace_seconds
            worker.record = replace(worker.record, terminating=True)
            self._records.write(worker.record)
        _signal(worker.record.worker.pid, signal.SIGTERM)
        return "signalled"

    def terminate_all(self, now: float) -> None:
        """Ask every worker to end. Runs that wait stay on record."""
        for run_id in self.running:
            self.terminate(run_id, now)

    def look_after(self, now: float) -> bool:
        """Reap what has ended, kill what was asked to end and did not, and what a killed worker has left running.

        Returns whether a worker died untimely.
        """
        someone_died = False
        for worker in list(self._workers.values()):
            pid = worker.record.worker.pid
            is_overdue = worker.kill_at is not None and now >= worker.kill_at
            if is_overdue or now - worker.looked_at >= _LOOK_SECONDS:
                worker.started, worker.looked_at = tuple(started_by(pid)), now
            if is_overdue:
                _kill_group(pid)
            how, succeeded = _how_it_ended(worker)
            if how:
                del self._workers[worker.record.run_id]
                self._end(worker.record, how, succeeded=succeeded)
                if not succeeded:
                    someone_died = True
                    _kill_what_is_left(worker.started)
        return someone_died

    def _end(self, record: Running, how: str, *, succeeded: bool) -> None:
        self._records.write(Ended(record.run_id, record.job_name, how, succeeded))

    def tidy(self) -> None:
        """Forget what nobody asks about any more, now and then: reading all records takes as long as a fork."""
        self._since_tidy += 1
        if self._since_tidy >= _TIDY_EVERY:
            self._since_tidy = 0
            self._records.forget_oldest(_KEPT_RECORDS)


def _how_it_ended(worker: _Worker) -> tuple[str, bool]:
    """How a worker ended, in words, and whether it had reported its run's outcome; no words while it lives."""
    identity = worker.record.worker
    if not worker.is_own_child:
        return ("", False) if identity.is_alive() else ("its worker ended; a former server had started it", False)
    try:
        pid, status = os.waitpid(identity.pid, os.WNOHANG)
    except ChildProcessError:
        return "its worker ended and was reaped by somebody else", False
    if not pid:
        return "", False
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"its worker was killed by {signal.Signals(-code).name}", False
    if code == NEVER_STARTED:
        return "its worker never started", False
    return f"its worker ended with exit code {code}", code == 0


def _is_child(pid: int) -> bool:
    """Whether `pid` is a child of this process: so it is after the server replaced itself by a fresh one."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill_what_is_left(started: tuple[ProcessIdentity, ...]) -> None:
    """Kill the groups of processes that a worker has left behind; build tools have groups of their own."""
    for process in started:
        if process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                _kill_group(os.getpgid(process.pid))


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
