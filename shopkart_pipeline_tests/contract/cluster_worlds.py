"""Worlds in which the contracts of cluster, metrics and logs are tested: one in memory, one on this machine."""

import gzip
import io
import json
import platform
import re
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import docker
import httpx
import psutil

from shopkart_pipeline.adapters.local_cluster import (
    LocalCluster,
    LocalLogs,
    LocalMetrics,
    LocalVitals,
    shutdown,
    wait_ready,
)
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.sampler import Sampler
from shopkart_pipeline.adapters.local_cluster.samples import Samples
from shopkart_pipeline.adapters.local_cluster.state import OBSERVED, ReplicaRecord
from shopkart_pipeline.adapters.oci_registry import DiskRegistry
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.domain.job import JobPhase, JobSpec, JobStatus
from shopkart_pipeline.domain.pod import PodRequirements, Resources
from shopkart_pipeline.domain.traffic import Counts, MetricsMissing
from shopkart_pipeline.domain.vitals import PeakRate, Vital
from shopkart_pipeline.domain.workload import Probes, ServiceStatus, Track, WorkloadSpec, WorkloadStatus
from shopkart_pipeline.ports.cluster import Cluster
from shopkart_pipeline.ports.telemetry import LogLine, Logs, Metrics
from shopkart_pipeline.ports.vitals import Vitals
from shopkart_pipeline_tests.docker_base import make_base_image
from shopkart_pipeline_tests.fakes.fake_builder import write_image
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour, FakeCluster, FakeLogs, FakeMetrics, JobBehaviour
from shopkart_pipeline_tests.fakes.fake_vitals import FakeVitals

_SAMPLE = Path(__file__).parents[1] / "samples" / "replica_app" / "replica_app"
A_SERVICE = re.compile(r"shop-[0-9a-f]{8}(--?[a-z]+)?")
"""How the tests name services."""
OF_THIS_RUN = f"shop-{uuid.uuid4().hex[:4]}"
"""How the names of this process's services begin, so that two runs in one place can be told apart."""
_CONTROLLER = """
import sys
from pathlib import Path
from shopkart_pipeline.adapters.local_cluster import serve
from shopkart_pipeline.adapters.oci_registry import DiskRegistry
from shopkart_pipeline.adapters.system_clock import SystemClock
home = Path(sys.argv[1])
serve(home, DiskRegistry(home / "registry"), SystemClock(), runtime=sys.argv[2], docker_host=sys.argv[3])
"""


def a_spec(digest: str, *, replicas: int = 2, startup_deadline_seconds: float = 20.0, **variables: str) -> WorkloadSpec:
    """A specification of the sample application."""
    return WorkloadSpec(
        digest=digest,
        release_key=f"release-{digest[-6:]}",
        commit="c0ffee",
        replicas=replicas,
        command=("python", "-m", "replica_app"),
        variables=variables,
        probes=Probes("/health/startup", "/health/ready", "/health/live", startup_deadline_seconds),
        metrics_path="/metrics",
        drain_seconds=5.0,
        pod=PodRequirements(resources=Resources("20m", "48Mi", "128Mi"), minimum_ready_seconds=2.0),
    )


class World(ABC):
    """A cluster with what is around it. Every test takes a service of its own."""

    cluster: Cluster
    metrics: Metrics
    logs: Logs
    vitals: Vitals
    patience_seconds: float = 20.0
    soon_seconds: float = 3.0
    """Within which a version that can get ready does."""

    @abstractmethod
    def publish(self, service: str, version: str, behaviour: Behaviour = Behaviour.GETS_READY) -> str:
        """Put an image into the registry; returns its digest."""

    @abstractmethod
    def pause(self) -> None:
        """Let a little time pass between two looks."""

    @abstractmethod
    def send(self, environment: str, service: str, requests: int) -> None:
        """Send requests to a service."""

    @abstractmethod
    def log_error(self, environment: str, service: str, message: str, signature: str) -> None:
        """Have stable's only replica log an error now."""

    def note(self, environment: str, service: str) -> None:
        """Have the metrics of now be noted, where that does not happen by itself at once."""
        del environment, service

    def version_of(self, environment: str, service: str) -> str:
        """The version of stable, as metrics name it."""
        stable = self.cluster.observe(environment, service).stable
        assert stable is not None
        return stable.spec.release_key

    def foresee(self, command: tuple[str, ...], exit_code: int | None, *lines: str) -> None:
        """Say how a command behaves, to a world that runs none; None: it never ends. Does nothing where it is run."""
        del command, exit_code, lines

    def finished(self, environment: str, service: str, job: JobSpec) -> list[JobStatus]:
        """Ask for a job until it has ended; returns everything that was said on the way."""
        deadline, seen = time.monotonic() + self.patience_seconds, list[JobStatus]()
        while True:
            seen.append(self.cluster.run_job(environment, service, job))
            if seen[-1].phase is not JobPhase.RUNNING:
                return seen
            if time.monotonic() > deadline:
                raise AssertionError(f"it never ended; the last look: {seen[-1]}")
            self.pause()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def a_service(self) -> str:
        """A name that no other test uses."""
        return a_service()

    def until(self, environment: str, service: str, holds: Callable[[ServiceStatus], bool]) -> list[ServiceStatus]:
        """Observe until something holds; returns everything that was observed on the way."""
        deadline, seen = time.monotonic() + self.patience_seconds, list[ServiceStatus]()
        while True:
            seen.append(self.cluster.observe(environment, service))
            if holds(seen[-1]):
                return seen
            if time.monotonic() > deadline:
                raise AssertionError(f"it never came to that; the last look: {seen[-1]}")
            self.pause()

    def near(self, weight_percent: int) -> int:
        """The weight that one canary replica beside one of stable can have instead."""
        return weight_percent

    def deployed(self, service: str, version: str = "v1", *, replicas: int = 2, environment: str = "production") -> str:
        """Deploy a version and wait until it is complete; returns its digest."""
        digest = self.publish(service, version)
        self.cluster.apply(environment, service, Track.STABLE, a_spec(digest, replicas=replicas))
        self.until(environment, service, lambda status: is_complete(status.stable))
        return digest


def is_complete(workload: WorkloadStatus | None) -> bool:
    return workload is not None and workload.complete


def a_service() -> str:
    """A name that no other test uses."""
    return f"{OF_THIS_RUN}{uuid.uuid4().hex[:4]}"


class FakeWorld(World):
    """All in memory."""

    def __init__(self) -> None:
        images: set[str] = set()
        self.fake = FakeCluster(images)
        self.fake_logs = FakeLogs()
        self.fake_metrics = FakeMetrics(self.fake, requests=0)
        self.cluster, self.metrics, self.logs = self.fake, self.fake_metrics, self.fake_logs
        self.vitals = self.fake_vitals = FakeVitals(places=set(), counted_since=self.now())
        self._images, self._noted = images, dict[str, Counts]()

    def publish(self, service: str, version: str, behaviour: Behaviour = Behaviour.GETS_READY) -> str:
        digest = f"sha256:{sha256(f'{service} {version}'.encode()).hexdigest()}"
        self._images.add(digest)
        self.fake.behaviours[digest] = behaviour
        return digest

    def foresee(self, command: tuple[str, ...], exit_code: int | None, *lines: str) -> None:
        failed = JobStatus(JobPhase.FAILED, f"exit code {exit_code}", lines)
        status = JobStatus(JobPhase.SUCCEEDED, "", lines) if exit_code == 0 else failed
        if exit_code is None:
            status = JobStatus(JobPhase.FAILED, "it did not end within 2 s", lines)
        self.fake.job_behaviours[command[-1]] = JobBehaviour(status=status)

    def pause(self) -> None:
        pass

    def send(self, environment: str, service: str, requests: int) -> None:
        self.fake_metrics.requests = requests
        self.metrics.traffic(environment, service, self.now())
        self.fake_metrics.requests = 0

    def note(self, environment: str, service: str) -> None:
        version, vitals = self.version_of(environment, service), self.fake_vitals
        counts = counts_of(self, environment, service)[1]
        before = self._noted.setdefault(service, counts)
        latency = {Vital.LATENCY_P95_SECONDS: {version: 0.02}} if counts.requests else {}
        vitals.places = {(environment, service)}
        vitals.counts = {version: counts - before if before.requests else counts}
        vitals.readings = {
            Vital.MEMORY_USAGE_BYTES: {version: 48e6},
            Vital.REQUEST_RATE: {version: counts.requests / 10},
            Vital.ERROR_RATIO: {version: counts.error_ratio},
            **latency,
        }
        vitals.peak = PeakRate(counts.requests / 10, 0.5)
        vitals.points = {(Vital.MEMORY_USAGE_BYTES, version): [(self.now(), 48e6)]}

    def log_error(self, environment: str, service: str, message: str, signature: str) -> None:
        line = LogLine(self.now(), Track.STABLE, "stable-1", "release", "error", message, signature)
        self.fake_logs.lines.setdefault((environment, service), []).append(line)


@dataclass
class LocalWorld(World):
    """A real local cluster below `home`.

    Args:
        docker_host: the engine whose containers replicas are; None: they are processes.
    """

    home: Path
    docker_host: str | None = None

    def __post_init__(self) -> None:
        self._base = ImageParts() if self.docker_host is None else base_parts(self.docker_host)
        if self.docker_host is not None:
            # An engine makes and starts a container in a second where a process starts at once.
            self.patience_seconds = 60.0
        self.clock = SystemClock()
        self.registry = DiskRegistry(self.home / "registry")
        self.cluster = LocalCluster(self.home, self.registry, self.clock)
        self.metrics, self.logs = LocalMetrics(self.home), LocalLogs(self.home)
        # The controller samples too, but so seldom that a test would have to wait for it.
        samples, runtime = Samples(self.home / "samples.db"), "process" if self.docker_host is None else "docker"
        self.vitals, self._replicas = LocalVitals(samples), dict[tuple[str, str], tuple[ReplicaRecord, ...]]()
        folders, places = Folders(self.home), ("staging", "production")
        self._sampler = Sampler(folders, places, runtime, self.clock, lambda: self._replicas, samples)
        self.controller: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start a controller, as the first one or as a dead one's successor."""
        runtime = "process" if self.docker_host is None else "docker"
        arguments = [sys.executable, "-c", _CONTROLLER, str(self.home), runtime, self.docker_host or ""]
        self.controller = subprocess.Popen(arguments, start_new_session=True)
        wait_ready(self.home, 30.0, self.clock)

    def kill_controller(self) -> None:
        """Kill the controller, as a crash would."""
        assert self.controller is not None
        self.controller.kill()
        self.controller.wait()

    def interrupt(self) -> int:
        """Press Ctrl-C; returns the exit code."""
        assert self.controller is not None
        self.controller.send_signal(signal.SIGINT)
        return self.controller.wait(timeout=30.0)

    def stop(self) -> None:
        """Stop everything, with or without a controller."""
        shutdown(self.home, self.registry, self.clock, 30.0, docker_host=self.docker_host or "")
        if self.controller is not None:
            self.controller.wait(timeout=10.0)

    def publish(self, service: str, version: str, behaviour: Behaviour = Behaviour.GETS_READY, **extra: Any) -> str:
        told: dict[str, Any] = {"version": version, **extra}
        match behaviour:
            case Behaviour.GETS_READY:
                pass
            case Behaviour.CRASHES:
                told["exit_code"] = 7
            case Behaviour.STALLS | Behaviour.FAILS_TO_START:
                told["ready"] = False
        layout = self.home / "layouts" / uuid.uuid4().hex
        digest, _ = write_image(layout, *sample_image(told, self._base))
        assert self.registry.push(layout, service, f"{version}-{layout.name}") == digest
        return digest

    def pause(self) -> None:
        time.sleep(0.02)

    def send(self, environment: str, service: str, requests: int) -> None:
        url = self.cluster.observe(environment, service).url
        before = self._answered(environment, service)
        with httpx.Client() as client:
            for _ in range(requests):
                client.get(url)
        # A request is counted a moment after its answer has been sent.
        while self._answered(environment, service) < before + requests:
            time.sleep(0.01)

    def note(self, environment: str, service: str) -> None:
        observed = OBSERVED.read(Folders(self.home).observed_of(environment, service))
        assert observed is not None
        self._replicas[environment, service] = observed.replicas
        self._sampler.tick(self._replicas)

    def _answered(self, environment: str, service: str) -> int:
        sample = self.metrics.traffic(environment, service, self.now())
        assert not isinstance(sample, MetricsMissing)
        return (sample.canary + sample.stable).requests

    def log_error(self, environment: str, service: str, message: str, signature: str) -> None:
        line = {"time": self.now().isoformat(), "level": "error", "message": message, "signature": signature}
        (log,) = (self.home / "cluster" / "logs" / environment / service).glob("stable-*.log")
        with log.open("a") as stream:
            stream.write(json.dumps(line) + "\n")

    def processes(self) -> list[psutil.Process]:
        """Everything that runs for this home, its controller excepted."""
        mark, found = str(self.home / "cluster"), list[psutil.Process]()
        for process in psutil.process_iter():
            try:
                if process.environ().get("SHOPKART_CLUSTER_HOME") == mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found


@dataclass(frozen=True)
class ImageParts:
    """What an image is stacked on."""

    layers: tuple[bytes, ...] = ()
    variables: tuple[str, ...] = ()


def base_parts(docker_host: str) -> ImageParts:
    """The layers of the engine's base image, and its variables."""
    client = docker.APIClient(base_url=docker_host, version="auto", timeout=120)
    try:
        archive = io.BytesIO(b"".join(client.get_image(make_base_image(docker_host))))
    finally:
        client.close()
    with tarfile.open(fileobj=archive) as tar:

        def read(name: str) -> bytes:
            member = tar.extractfile(name)
            assert member is not None
            return member.read()

        (image,) = json.loads(read("manifest.json"))
        variables = json.loads(read(image["Config"]))["config"]["Env"]
        layers = [read(name) for name in image["Layers"]]
        # Engines that keep images in containerd save layers as they have them, compressed or not.
        plain = [gzip.decompress(layer) if layer.startswith(b"\x1f\x8b") else layer for layer in layers]
        return ImageParts(tuple(plain), tuple(variables))


def sample_image(behaviour: dict[str, Any], base: ImageParts) -> tuple[bytes, list[bytes]]:
    """Configuration and layers of an image of the sample application."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        files = {path.name: path.read_bytes() for path in _SAMPLE.glob("*.py")}
        for name, content in {**files, "behaviour.json": json.dumps(behaviour).encode()}.items():
            entry = tarfile.TarInfo(f"app/app/replica_app/{name}")
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    layers = [*base.layers, layer.getvalue()]
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {
            "Env": [*base.variables, "PYTHONPATH=/app/app:/app/deps", "PYTHONUNBUFFERED=1"],
            "WorkingDir": "/app",
            "Entrypoint": ["python", "-m", "replica_app"],
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(content).hexdigest()}" for content in layers]},
    }
    return json.dumps(config).encode(), layers


@contextmanager
def a_local_world(home: Path, docker_host: str | None = None) -> Generator[LocalWorld]:
    """A running local cluster; whatever happens, nothing of it is left behind."""
    world = LocalWorld(home, docker_host)
    try:
        world.start()
        yield world
    finally:
        world.stop()
    assert world.processes() == []


def counts_of(world: World, environment: str, service: str) -> tuple[Counts, Counts]:
    """Canary's and stable's counts of requests and errors."""
    sample = world.metrics.traffic(environment, service, world.now())
    assert not isinstance(sample, MetricsMissing), sample
    return sample.canary.only(frozenset()), sample.stable.only(frozenset())
