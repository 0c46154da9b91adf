"""The one place where the package starts processes.

Every command has a timeout, a process group of its own that ends with it, an environment made from nothing but what
a command needs (no pipeline secret reaches a build or a test), and its output captured in a log, from which known
secrets are taken when it ends. It is confined (`_confinement`) unless it is the pipeline's own act. Cancelling kills
all running groups: `stop_all` is what the engine calls when a run is terminated. A command that writes more to a
captured standard output than a report may hold is killed.
"""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from shopkart_pipeline.adapters._captured_output import CapturedOutput
from shopkart_pipeline.adapters._confinement import entrance, words_of
from shopkart_pipeline.adapters._report_limits import TOO_BIG
from shopkart_pipeline.known_secrets import KNOWN, masked

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")
_NETWORK = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_SYSTEM_CERTS",
    "NPM_CONFIG_REGISTRY",
    "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)
_TAIL_BYTES = 4000
_READ_BYTES = 2 * _TAIL_BYTES
"""Of which the tail is made: a secret that its beginning would cut in two has to be found first."""
_LONGEST_LINE = 300
_GRACE_SECONDS = 2.0


@dataclass(frozen=True)
class Command:
    """What to run, where, for how long at most."""

    arguments: Sequence[str]
    cwd: Path
    timeout_seconds: float
    variables: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Added to the scrubbed environment; may hold a secret that the command needs."""
    network: bool = False
    """Passes on how this machine reaches package indexes (proxies, certificates)."""
    log: Path | None = None
    """Gets standard error, and standard output too unless that is captured."""
    capture: bool = False
    """Return standard output; otherwise it goes to the log."""
    stdin: bytes | None = field(default=None, repr=False)
    """What the command reads from standard input; nothing where it is None."""
    confined: bool = True
    """Whether it is kept away from what the pipeline keeps for itself. Only for what runs none of the project's code,
    or runs it in a container, this may be given up."""
    writes: tuple[str, ...] = ()
    """What it makes for others, of what commands otherwise can't write to (`_confinement.PACKAGES`)."""
    privileged: bool = False
    """Whether it keeps the privileges that this process has, as it makes containers itself. What it is kept away from
    is the same; the containers are what keeps the project's code from taking the covers off."""


@dataclass(frozen=True)
class Completed:
    """How a command ended."""

    exit_code: int
    stdout: bytes
    tail: str
    """The end of what it logged, for messages; of standard error where it has no log."""
    timed_out: bool = False
    cancelled: bool = False
    overflowed: bool = False
    """It wrote more than can be captured; nothing of that is kept."""

    def failure(self, name: str, accepted: Sequence[int] = (0,), *, last_lines: int = 1) -> str | None:
        """Why the command can't be relied on, in words, with its last lines; None if it ended with an accepted code."""
        if self.timed_out:
            return f"{name} ran out of time"
        if self.cancelled:
            return f"{name} was cancelled"
        if self.overflowed:
            return f"{name} {TOO_BIG}"
        if self.exit_code in accepted:
            return None
        last = list(dict.fromkeys(self.tail.strip().splitlines()))[-last_lines:] or ["no output"]
        return f"{name} ended with exit code {self.exit_code}: {' | '.join(_shortened(line.strip()) for line in last)}"


def _shortened(line: str) -> str:
    """A long line without its middle: tools say first what they did, and last what was in the way."""
    return line if len(line) <= _LONGEST_LINE else f"{line[:100]} … {line[100 - _LONGEST_LINE :]}"


_running: set[subprocess.Popen[bytes]] = set()
_cancelled: set[int] = set()
_lock = threading.Lock()


def find_executable(name: str, *folders: Path) -> str | None:
    """The path of a program, looked for in `folders` first and then in `PATH`; None where there is none."""
    for folder in folders:
        candidate = folder / name
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    return shutil.which(name)


def scrubbed_environment(variables: Mapping[str, str], *, network: bool, home: Path) -> dict[str, str]:
    """The environment of a command: a handful of harmless variables, a home of its own, and what it was given."""
    names = (*_PASSED_ON, *_NETWORK) if network else _PASSED_ON
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {"LANG": "C.UTF-8", **kept, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", **variables}


def run(command: Command) -> Completed:
    """Run a command to its end.

    Raises:
        FileNotFoundError: the program does not exist.
    """
    with contextlib.ExitStack() as stack:
        log: IO[bytes] | int = subprocess.PIPE
        logged_before_bytes = 0
        if command.log is not None:
            command.log.parent.mkdir(parents=True, exist_ok=True)
            log = stack.enter_context(command.log.open("ab"))
            logged_before_bytes = os.fstat(log.fileno()).st_size
            stack.callback(KNOWN.blot_file, command.log, logged_before_bytes)
        stdin = subprocess.DEVNULL if command.stdin is None else subprocess.PIPE
        stdout = subprocess.PIPE if command.capture else log
        process = stack.enter_context(_started(command, stdin, stdout, log))
        return _finish(process, command, logged_before_bytes)


@contextlib.contextmanager
def piped(command: Command, *, reads: bool, writes: bool, errors: IO[bytes]) -> Generator[subprocess.Popen[bytes]]:
    """A command that runs beside its caller, and whose group is gone afterwards.

    Args:
        command: what to run; its `log`, `capture` and `stdin` are left alone, and so is its time limit.
        reads: whether its standard input is a pipe of ours.
        writes: whether its standard output is one; otherwise that goes to `errors`.
        errors: an open file that gets its standard error.
    """
    stdin = subprocess.PIPE if reads else subprocess.DEVNULL
    with _started(command, stdin, subprocess.PIPE if writes else errors, errors) as process:
        yield process


@contextlib.contextmanager
def _started(
    command: Command, stdin: IO[bytes] | int, stdout: IO[bytes] | int, stderr: IO[bytes] | int
) -> Generator[subprocess.Popen[bytes]]:
    environment = scrubbed_environment(command.variables, network=command.network, home=command.cwd)
    inside = entrance(command.writes) if command.confined else None
    if inside is not None:
        _check_startable(command, environment)
    process = subprocess.Popen(
        words_of(command.arguments, command.cwd, inside, privileged=command.privileged),
        cwd=command.cwd,
        env=environment,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        pass_fds=() if inside is None else inside.descriptors(privileged=command.privileged),
    )
    with _lock:
        _running.add(process)
    try:
        yield process
    finally:
        kill_group(process.pid)
        process.wait()
        with _lock:
            _running.discard(process)
            _cancelled.discard(process.pid)


def _check_startable(command: Command, environment: Mapping[str, str]) -> None:
    """Say what can't be started as the system would say it, which the door to the namespaces does not."""
    program = command.arguments[0]
    path = str(command.cwd / program) if "/" in program else shutil.which(program, path=environment.get("PATH"))
    if path is None or not Path(path).is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    if not os.access(path, os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), program)


def was_cancelled(pid: int) -> bool:
    """Whether `stop_all` ended a command that is still under way."""
    with _lock:
        return pid in _cancelled


def _finish(process: subprocess.Popen[bytes], command: Command, logged_before_bytes: int) -> Completed:
    deadline = time.monotonic() + command.timeout_seconds
    captured = CapturedOutput(process.stdout, partial(kill_group, process.pid)) if process.stdout is not None else None
    # Its own reader has it: from here on `communicate` leaves it alone.
    process.stdout = None
    timed_out, stderr = False, b""
    try:
        _, stderr = process.communicate(command.stdin, timeout=command.timeout_seconds)
    except subprocess.TimeoutExpired:
        timed_out = True
    if captured is not None:
        timed_out = not captured.ends_by(deadline) or timed_out
    if timed_out:
        kill_group(process.pid)
        stderr = _left_behind(process)
        if captured is not None:
            captured.ends_by(time.monotonic() + _GRACE_SECONDS)
    cancelled = was_cancelled(process.pid)
    stdout = captured.content if captured is not None else b""
    logged = _tail(command.log, logged_before_bytes) if command.log is not None else stderr
    tail = masked((logged or stdout)[-_READ_BYTES:].decode(errors="replace"))[-_TAIL_BYTES:]
    overflowed = captured is not None and captured.overflowed
    return Completed(process.returncode, stdout, tail, timed_out, cancelled, overflowed)


def _left_behind(process: subprocess.Popen[bytes]) -> bytes:
    """What a killed command wrote to its standard error. Something that it started in a session of its own may still
    hold the pipe: it is not waited for."""
    try:
        return process.communicate(timeout=_GRACE_SECONDS)[1]
    except subprocess.TimeoutExpired as error:
        if process.stderr is not None:
            process.stderr.close()
        return error.stderr or b""


def stop_all() -> None:
    """Kill every command that runs in this process, with all that it started."""
    with _lock:
        for process in _running:
            _cancelled.add(process.pid)
            kill_group(process.pid)


def kill_group(group: int) -> None:
    """Kill a process group; one that has ended already is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _tail(log: Path, start_bytes: int) -> bytes:
    """The end of what was appended to the log since it had `start_bytes`: never another command's words."""
    with log.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(start_bytes, end - _READ_BYTES))
        return stream.read()


class Background:
    """A process of the pipeline itself that runs beside this one, such as the web interface."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        variables: Mapping[str, str],
        log: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Start it in a process group of its own; unlike a command it gets the whole environment that it is given."""
        self.name, self.log = name, log
        self._stop_signal = stop_signal
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                list(arguments),
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def stop(self, grace_seconds: float) -> None:
        """Ask it to end, wait, and kill what is left of its group."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_seconds)
        kill_group(self.pid)
        self._process.wait()

    def ask_to_stop(self) -> None:
        if self.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self._stop_signal)
