"""The warm server: a process that has imported everything and forks one child per run.

One thread, one loop: it accepts requests on a Unix socket in the instance home, starts what waits, reaps what has ended
and looks whether the definitions have changed. It opens no instance itself; what needs one is done in a child. What is
decided here is the order of things; `workers`, `calls`, `connections`, `preload` and `watch` know how.

There is one server per home, by a lock. It may die at any moment: workers go on, and the next server takes them over
from their records. When a file changes that the definitions are made from, the server replaces itself by a fresh
process image with the same pid, lock, socket and children. SIGTERM ends the server and leaves the runs alone; a client
that wants them ended says so.
"""

import logging
import os
import signal
import time

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.engine import forking, preload, worker
from shopkart_pipeline.engine.calls import Calls
from shopkart_pipeline.engine.connections import Connections
from shopkart_pipeline.engine.messages import (
    Answer,
    Call,
    Launch,
    Ping,
    Refusal,
    Reply,
    Request,
    Shutdown,
    Status,
    Terminate,
    decode_request,
)
from shopkart_pipeline.engine.preload import Broken, Loaded
from shopkart_pipeline.engine.process_identity import children
from shopkart_pipeline.engine.run_records import RunRecords
from shopkart_pipeline.engine.warm_client import ServerOptions
from shopkart_pipeline.engine.warm_paths import WarmPaths
from shopkart_pipeline.engine.watch import Watch
from shopkart_pipeline.engine.workers import Workers

_TICK_SECONDS = 0.5
_LOOK_SECONDS = 2.0
_BROKEN_SECONDS = 5.0
_NAMED_JOBS = 50
_REPORT_ORPHANS = "shopkart_pipeline.engine.reconcile:report_orphans"
_logger = logging.getLogger("warm_server")


class WarmServer:
    """The server of one home."""

    def __init__(
        self,
        paths: WarmPaths,
        options: ServerOptions,
        connections: Connections,
        lock: int,
        loaded: Loaded | Broken,
        watch: Watch,
    ) -> None:
        self._paths = paths
        self._options = options
        self._connections = connections
        self._lock = lock
        self._loaded = loaded
        self._watch = watch
        self._calls = Calls(self._fork_call)
        self._workers = Workers(
            RunRecords(paths.runs), self._fork_run, preload.run_limits(options), options.terminate_grace_seconds
        )
        self._stopping = False
        self._stopping_runs = False
        self._calls_after_reload: list[str] = []
        self._reload_wanted = False
        self._looked_at = self._busy_at = self._began_at = time.monotonic()

    def serve(self, calls: list[str]) -> list[str] | None:
        """Serve until there is a reason to end.

        Args:
            calls: functions to call first.

        Returns:
            None when the server is to end; otherwise it is to be replaced, and these functions are to be called then.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop_signal)
        signal.signal(signal.SIGCHLD, _wake_up)
        self._workers.take_over(time.monotonic())
        self._calls.reap_former(set(children(os.getpid())) - set(self._workers.running.values()))
        for target in dict.fromkeys([_REPORT_ORPHANS, *calls]):
            self._calls.ask(target)
        while not self._is_over():
            self._look_after_children()
            if not self._stopping and self._has_to_reload():
                return self._calls_after_reload
            self._start_waiting()
            for client, line in self._connections.wait(time.monotonic(), _TICK_SECONDS):
                self._connections.reply(client, self._answer(line))
        return None

    def close(self) -> None:
        """Give back the socket and end calls that run; the lock goes with the process."""
        self._calls.stop()
        self._connections.close()
        self._paths.socket.unlink(missing_ok=True)

    def _on_stop_signal(self, *_: object) -> None:
        self._stopping = True

    def _is_over(self) -> bool:
        now = time.monotonic()
        if self._workers.running or self._workers.queued or self._calls.running:
            self._busy_at = now
        idle_limit = self._options.idle_timeout_seconds
        if idle_limit and now - self._busy_at > idle_limit:
            _logger.info("Idle for %s seconds: ending", idle_limit)
            self._stopping = True
        if not self._stopping and not self._paths.folder.exists():
            _logger.info("The home is gone: ending, with all runs")
            self._stop_runs()
        if not self._stopping and not self._paths.socket.exists():
            _logger.info("The socket is gone, nobody can reach this server: ending, so that another can start")
            self._stopping = True
        return self._stopping and not (self._stopping_runs and self._workers.running)

    def _stop_runs(self) -> None:
        self._stopping = self._stopping_runs = True
        self._workers.terminate_all(time.monotonic())

    def _look_after_children(self) -> None:
        self._calls.look_after()
        if self._workers.look_after(time.monotonic()):
            self._calls.ask(_REPORT_ORPHANS)

    def _has_to_reload(self) -> bool:
        now = time.monotonic()
        if self._reload_wanted and now - self._began_at > _BROKEN_SECONDS:
            return True
        if not self._workers.queued and not self._calls_after_reload and now - self._looked_at < _LOOK_SECONDS:
            return False
        self._looked_at = now
        return self._watch.has_changed()

    def _start_waiting(self) -> None:
        if self._stopping or isinstance(self._loaded, Broken):
            return
        try:
            self._workers.start_waiting()
        except OSError:
            _logger.exception("A worker can't be started now; trying again")

    def _answer(self, line: bytes) -> Reply:
        try:
            request = decode_request(line)
            if not isinstance(request, Ping | Status):
                self._busy_at = time.monotonic()
            return self._handle(request)
        except PipelineError as error:
            return Refusal(error.what, error.fix)
        except Exception as error:
            _logger.exception("A request failed: %r", line[:200])
            return Refusal(f"The warm server failed: {error!r}.", f"See {self._paths.log}.")

    def _handle(self, request: Request) -> Reply:
        match request:
            case Ping():
                return Answer({"pid": os.getpid()})
            case Status():
                return Answer(self._status())
            case Launch():
                return self._launch(request)
            case Call(target):
                return self._call(target)
            case Terminate(run_id):
                return Answer({"outcome": self._workers.terminate(run_id, time.monotonic())})
            case Shutdown(stop_runs):
                self._stopping = True
                if stop_runs:
                    self._stop_runs()
                return Answer({})

    def _launch(self, launch: Launch) -> Reply:
        match self._loaded:
            case Broken(what, fix) if not self._watch.has_changed():
                self._reload_wanted = True  # What is wrong may lie where nobody watches.
                return Refusal(what, fix)
            case Loaded(_, job_names) if launch.job_name not in job_names and not self._watch.has_changed():
                what = f"{self._options.definitions_module} has no job {launch.job_name}."
                return Refusal(what, f"Its jobs are: {', '.join(sorted(job_names)[:_NAMED_JOBS])}.")
            case loaded:
                if isinstance(loaded, Loaded) and launch.job_name in loaded.job_names:
                    loaded.prepare(launch.job_name)
                self._workers.accept(launch.run_id, launch.job_name, launch.queue, launch.group)
                self._workers.tidy()
                return Answer({})

    def _call(self, target: str) -> Reply:
        if target.startswith(":"):
            target = f"{self._options.definitions_module}{target}"
        if not preload.call_is_allowed(self._options, target):
            return Refusal(f"{target} may not be called.", "Name module:function of the pipeline's own package.")
        if self._watch.has_changed():
            self._calls_after_reload.append(target)
        elif isinstance(self._loaded, Broken):
            return Refusal(self._loaded.what, self._loaded.fix)
        else:
            self._calls.ask(target)
        return Answer({})

    def _status(self) -> dict[str, object]:
        return {
            "pid": os.getpid(),
            "state": "ready" if isinstance(self._loaded, Loaded) else self._loaded.what,
            "definitions_module": self._options.definitions_module,
            "running": self._workers.running,
            "queued": self._workers.queued,
            "calls": self._calls.running,
        }

    def _fork_run(self, run_id: str) -> forking.Child:
        log = self._paths.run_log(run_id)
        worker.describe(self._paths)
        return forking.fork_child(lambda: worker.execute_run(self._paths, run_id), log, self._in_child)

    def _fork_call(self, target: str) -> forking.Child:
        log = self._paths.calls_log
        worker.describe(self._paths)
        return forking.fork_child(lambda: worker.call_function(self._paths, target), log, self._in_child)

    def _in_child(self) -> None:
        self._connections.abandon()
        os.close(self._lock)


def _wake_up(*_: object) -> None:
    """Nothing to do: that a signal has a handler ends the wait."""
