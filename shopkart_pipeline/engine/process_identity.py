"""Which process a number meant: a pid is given to another process some time after its owner died.

On Linux a process is told apart by when it started, in kernel ticks since a certain boot; elsewhere by its wall-clock
start.
"""

from dataclasses import dataclass
from pathlib import Path

import psutil

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STATE_FIELD = 0
_START_FIELD = 19  # proc(5): the 22nd field; counted from behind the command's name, which may contain anything.


@dataclass(frozen=True)
class ProcessIdentity:
    """One process, past or present."""

    pid: int
    started: str
    """An opaque mark of its start, unique together with the pid."""

    def is_alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return identify(self.pid) == self


def identify(pid: int) -> ProcessIdentity | None:
    """The process that has this pid now; None when there is none, or only a zombie."""
    if not _BOOT_ID.exists():
        return _identify_portably(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[_STATE_FIELD] in "ZX":
        return None
    return ProcessIdentity(pid, f"{_BOOT_ID.read_text().strip()}:{fields[_START_FIELD]}")


def _identify_portably(pid: int) -> ProcessIdentity | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return ProcessIdentity(pid, f"{process.create_time():.0f}")
    except psutil.Error:
        return None


def children(pid: int) -> list[int]:
    """The pids of the processes that `pid` has started and that have not been reaped."""
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.Error:
        return []


def started_by(pid: int) -> list[ProcessIdentity]:
    """The live processes that `pid` has started, and those that these have started, and so on.

    A process that was left behind on purpose belongs to nobody and is not found: its parent has ended.
    """
    try:
        found = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
    return [identity for child in found if (identity := identify(child.pid))]
