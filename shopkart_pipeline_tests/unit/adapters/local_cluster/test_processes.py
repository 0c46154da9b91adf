"""Processes that outlive their starter are found again, and nobody else's are touched."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil

from shopkart_pipeline.adapters.local_cluster.processes import Daemon, Processes


def a_daemon(tmp_path: Path, code: str) -> Daemon:
    return Daemon((sys.executable, "-S", "-c", code), tmp_path, {}, tmp_path / "log")


def test_another_controller_finds_a_process_by_its_handle_and_stops_it(tmp_path: Path) -> None:
    starter, successor = Processes(str(tmp_path)), Processes(str(tmp_path))
    handle = starter.start(a_daemon(tmp_path, "import time; time.sleep(60)"))
    assert successor.alive(handle)
    asyncio.run(successor.stop(handle, signal.SIGTERM, 5.0))
    assert not successor.alive(handle)
    assert asyncio.run(starter.wait(handle)) == -signal.SIGTERM


def test_a_process_that_took_over_an_id_is_somebody_else(tmp_path: Path) -> None:
    handle = f"{os.getpid()}:{psutil.Process().create_time() - 100:.2f}"
    processes = Processes(str(tmp_path))
    assert not processes.alive(handle)
    asyncio.run(processes.stop(handle, signal.SIGKILL, 0.1))


def test_the_starter_learns_the_exit_code(tmp_path: Path) -> None:
    processes = Processes(str(tmp_path))
    handle = processes.start(a_daemon(tmp_path, "import sys; print('bye'); sys.exit(3)"))
    assert asyncio.run(processes.wait(handle)) == 3
    assert (tmp_path / "log").read_text() == "bye\n"


def test_a_process_that_does_not_listen_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.fork(), flush=True)\n"
        "time.sleep(60)\n"
    )
    processes = Processes(str(tmp_path))
    handle = processes.start(a_daemon(tmp_path, code))
    while (tmp_path / "log").read_text().count("\n") < 2:
        pass
    child = max(map(int, (tmp_path / "log").read_text().split()))
    asyncio.run(processes.stop(handle, signal.SIGTERM, 0.2))
    assert asyncio.run(processes.wait(handle)) == -signal.SIGKILL
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_what_nobody_knows_is_swept_and_what_is_known_stays(tmp_path: Path) -> None:
    processes, others = Processes(str(tmp_path)), Processes("another home")
    sleep = a_daemon(tmp_path, "import time; time.sleep(60)")
    known, stray, foreign = processes.start(sleep), processes.start(sleep), others.start(sleep)
    assert processes.sweep([known, "a-container"]) == 1
    assert (processes.alive(known), processes.alive(stray), others.alive(foreign)) == (True, False, True)
    assert processes.sweep([]) == 1
    assert others.sweep([]) == 1
    for starter, handle in ((processes, known), (processes, stray), (others, foreign)):
        asyncio.run(starter.wait(handle))
