"""A thousand webhooks while everything that receives and launches is killed over and over: one run for each service and
commit, none lost, none twice, in the order in which they came in.

Everything is real: the receiver, the inbox, git, the warm server with its launcher and the drains that it forks, a
process that drains as the daemon's sensor does, Dagster's storage. Runs are launched for real, too, and wait for the
one place that there is, whose holder never ends.
"""

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from dagster import DagsterInstance

from shopkart_pipeline.cli.stack import free_port
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.engine.instance import SHIPPED_CONFIG, open_instance
from shopkart_pipeline.engine.messages import Ping
from shopkart_pipeline.engine.run_records import NoRecord, RunRecords
from shopkart_pipeline.engine.warm_client import ServerOptions, WarmClient
from shopkart_pipeline.engine.warm_paths import WarmPaths
from shopkart_pipeline_tests.orchestration.storm import REPOSITORY, SERVICES, Sender, Told, write_history

MODULE = "shopkart_pipeline_tests.orchestration.held_definitions"
SECRET = "correct horse"
DECLARATION = f"""
version: 1
defaults:
  owners: [team:shop]
  source: {{repository: {REPOSITORY}, remote: "{{home}}/remote", path: "{{service}}"}}
  environments:
    production: {{approvals: {{approvers: [maya@shopkart.example]}}}}
services:
""" + "".join(f"  {name}: {{workload: {{command: [python, -m, {name}]}}}}\n" for name in SERVICES)

KILLS = {"receiver": 4, "drain": 4, "sensor": 1, "server": 1}
"""How often each is killed for every two hundred pushes, spread over the whole of it."""


@dataclass
class Machine:
    """Receiver, warm server and sensor of one home; whichever is gone is started again."""

    home: Path
    port: int = field(default_factory=free_port)
    kills: Counter[str] = field(default_factory=Counter[str])
    _starts: Counter[str] = field(default_factory=Counter[str])
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, subprocess.Popen[bytes]])

    def __post_init__(self) -> None:
        self.client = WarmClient(self.home / "dagster")
        self._options = ServerOptions(MODULE, max_running_runs=1, idle_timeout_seconds=60)
        self.environment = os.environ | {
            "SHOPKART_HOME": str(self.home),
            "SHOPKART_DECLARATION": str(self.home / "shopkart.yaml"),
            "SHOPKART_RECEIVER_PORT": str(self.port),
            "SHOPKART_WEBHOOK_SECRET": SECRET,
            "SHOPKART_INBOX": "",
            # They start often, and would otherwise compile everything each time where bytecode is not written.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(self.home / "bytecode"),
        }

    def keep_up(self) -> None:
        """Start what does not run."""
        receive = "import sys; from shopkart_pipeline.cli.main import main; main(['receive'])"
        commands = {
            "receiver": [sys.executable, "-c", receive],
            "sensor": [sys.executable, "-m", MODULE, str(self.home)],
            "server": [
                *(sys.executable, "-m", "shopkart_pipeline.engine.warm_server_main", str(self.home / "dagster")),
                *self._options.arguments(),
            ],
        }
        for name, command in commands.items():
            process = self._processes.get(name)
            is_there = process is not None and process.poll() is None
            if not is_there and not (name == "server" and self.client.is_served()):
                with (self.home / f"{name}.log").open("ab") as log:
                    self._processes[name] = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
                self._starts[name] += 1

    def kill(self, name: str, dice: random.Random) -> bool:
        """Kill a process that does its work by now, or as `drain` any child of the warm server: a drain, or the worker
        of a run. False where there is none now."""
        with contextlib.suppress(PipelineError, psutil.Error, ProcessLookupError, IndexError):
            if name in ("server", "drain"):
                server = int(self.client.ask(Ping(), timeout_seconds=1)["pid"])
                pid = server if name == "server" else dice.choice(psutil.Process(server).children()).pid
            elif self._works(name):
                pid = self._processes[name].pid
            else:
                return False
            os.kill(pid, signal.SIGKILL)
            self.kills[name] += 1
            return True
        return False

    def is_up(self) -> bool:
        return all(self._works(name) for name in ("receiver", "sensor")) and self.client.is_served()

    def _works(self, name: str) -> bool:
        if name == "sensor":
            return (self.home / "sensor.log").read_bytes().count(b"ready\n") >= self._starts["sensor"]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def stop(self) -> None:
        """Kill everything that belongs to this home, and whatever it has started."""
        while ours := [each for each in psutil.process_iter(["cmdline"]) if self._is_ours(each)]:
            for process in ours:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            for child in self._processes.values():
                child.wait(10)
            psutil.wait_procs(ours, timeout=10)

    def _is_ours(self, process: psutil.Process) -> bool:
        words = " ".join(process.info["cmdline"] or ())
        is_receiver = process.pid in [each.pid for each in self._processes.values()] and process.is_running()
        return (str(self.home) in words or is_receiver) and process.status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "shopkart.yaml").write_text(DECLARATION)
    shipped = SHIPPED_CONFIG.read_text().replace("shopkart_pipeline.definitions", MODULE)
    (tmp_path / "dagster.yaml").write_text(
        f"{shipped}".replace("    # How many", "    max_running_runs: 1\n    # How many")
    )
    open_instance(tmp_path / "dagster", tmp_path / "dagster.yaml").dispose()
    machine = Machine(tmp_path)
    machine.keep_up()
    try:
        wait_for(machine.is_up, machine, time.monotonic() + 300)
        yield machine
    finally:
        machine.stop()


@pytest.mark.load
@pytest.mark.parametrize(("pushes", "seed"), [(60, 4), (1000, 20)], ids=["sixty", "a-thousand"])
def test_every_push_becomes_one_run_for_each_service_whoever_is_killed(
    machine: Machine, pushes: int, seed: int
) -> None:
    dice = random.Random(seed)
    told = write_history(machine.home / "remote", dice, pushes - pushes // 11)
    sender = Sender(machine.port, SECRET, told, random.Random(seed), per_second=pushes / (12 + pushes / 20))
    deadline = time.monotonic() + 120 + pushes
    planned = {name: kills * max(1, pushes // 200) for name, kills in KILLS.items()}

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(sender.send_all, deadline)
        while not sending.done() or waiting(machine.home):
            assert time.monotonic() < deadline, f"{waiting(machine.home)} are still pending"
            time.sleep(dice.uniform(0.1, 0.6))
            machine.keep_up()
            if due := [
                name for name, kills in planned.items() if machine.kills[name] < kills * progress(machine, told)
            ]:
                machine.kill(dice.choice(due), dice)
        sending.result()

    print(f"answers {sender.answers}, killed {dict(machine.kills)}")
    assert all(machine.kills[name] > 0 for name in planned)
    assert machine.kills.total() > sum(planned.values()) * 0.6
    assert sender.answers[202] == sender.planned
    assert len(sender.answers) > 1, "the receiver was never away"
    assert_one_run_each(machine.home, told)


def waiting(home: Path) -> int:
    return sum(outcome is None for _, outcome in arrived(home))


def progress(machine: Machine, told: list[Told]) -> float:
    """How much has come in and was acted upon, from 0 to 1; a little more, so that it begins at once."""
    known = arrived(machine.home)
    return 0.1 + (len(known) + sum(outcome is not None for _, outcome in known)) / (2 * len(told))


def wait_for(look: Callable[[], bool], machine: Machine, deadline: float) -> None:
    while not look():
        assert time.monotonic() < deadline, f"{waiting(machine.home)} are still pending"
        machine.keep_up()
        time.sleep(0.2)


def assert_one_run_each(home: Path, told: list[Told]) -> None:
    by_id = {each.delivery_id: each for each in told}
    order = arrived(home)
    assert sorted(by_id) == sorted(name for name, _ in order), "every delivery was kept once"
    wanted = [(by_id[name].service, by_id[name].sha[:12]) for name, _ in order if by_id[name].service]
    records = RunRecords(WarmPaths(home / "dagster").runs)
    with DagsterInstance.from_config(str(home / "dagster")) as instance:
        launched = [
            (run.tags["shopkart/service"], run.tags["shopkart/release"].rpartition("-")[2], run.run_id)
            for run in instance.get_runs(ascending=True)
        ]
    for service in SERVICES:
        runs = [sha for name, sha, _ in launched if name == service]
        assert runs == [sha for name, sha in wanted if name == service], f"runs of {service}, in order of arrival"
    assert len(launched) == len(wanted)
    unknown = [run_id for *_, run_id in launched if isinstance(records.read(run_id), NoRecord)]
    assert unknown == [], "no run that the warm server never heard of"


def arrived(home: Path) -> list[tuple[str, str | None]]:
    """Ids in the order in which they were stored, each with what became of it."""
    with contextlib.closing(sqlite3.connect(home / "inbox.db", timeout=30)) as connection:
        known = connection.execute("SELECT name FROM sqlite_master WHERE name = 'deliveries'").fetchone()
        return connection.execute("SELECT id, outcome FROM deliveries ORDER BY sequence").fetchall() if known else []
