"""What replicas use of the machine, from the process table: CPU, memory, disk, connections to a port.

A replica leads a session of its own, so everything in its session is the replica's. CPU is what was used since the look
before; of a process that began since, all that it used. Containers are the engine's, and are not looked into.
"""

import contextlib
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

_MOST_FILES = 5_000


@dataclass(frozen=True)
class Usage:
    """Of one replica at one look."""

    cpu_seconds: float
    """Used since the look before."""
    memory_bytes: int
    connections: frozenset[int]
    """Own ports of its connections to the port that was asked about."""


class ProcessTable:
    """Looks at replicas again and again, and remembers what each process had used."""

    def __init__(self) -> None:
        self._used: dict[tuple[int, float], float] = {}

    def look(self, handles: Collection[str], ports: Collection[int]) -> Mapping[str, Usage]:
        """Usage by handle (see `Processes`); a replica that is gone is not in it.

        Args:
            handles: of replicas.
            ports: connections to these are told.
        """
        sessions = {int(pid): handle for handle in handles if (pid := handle.partition(":")[0]).isdecimal()}
        found: dict[str, list[psutil.Process]] = {}
        for pid in psutil.pids():
            with contextlib.suppress(OSError, psutil.Error):
                handle = sessions.get(os.getsid(pid))
                if handle is not None:
                    found.setdefault(handle, []).append(psutil.Process(pid))
        before, self._used = self._used, {}
        return {handle: self._usage(processes, ports, before) for handle, processes in found.items()}

    def _usage(
        self, processes: Iterable[psutil.Process], ports: Collection[int], before: Mapping[tuple[int, float], float]
    ) -> Usage:
        cpu_seconds, memory_bytes, connections = 0.0, 0, set[int]()
        for process in processes:
            with contextlib.suppress(psutil.Error), process.oneshot():
                key, times = (process.pid, process.create_time()), process.cpu_times()
                self._used[key] = used = times.user + times.system
                cpu_seconds += max(0.0, used - before.get(key, 0.0))
                memory_bytes += process.memory_info().rss
                connections |= _connections(process, ports)
        return Usage(cpu_seconds, memory_bytes, frozenset(connections))


def _connections(process: psutil.Process, ports: Collection[int]) -> set[int]:
    if not ports:
        return set()
    return {each.laddr.port for each in process.net_connections("tcp4") if each.raddr and each.raddr.port in ports}


def disk_bytes(paths: Iterable[Path]) -> int | None:
    """What files and folders take on disk; None where there are too many files to look at."""
    total, files = 0, 0
    pending = list(paths)
    while pending:
        path = pending.pop()
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                pending += path.iterdir()
                continue
            total += path.lstat().st_blocks * 512
            files += 1
        if files + len(pending) > _MOST_FILES:
            return None
    return total
