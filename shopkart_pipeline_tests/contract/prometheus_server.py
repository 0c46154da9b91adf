"""A real Prometheus (Debian's `prometheus`) as a child of the tests, and replicas for it to scrape.

It labels their series by the configuration that `docs/kubernetes_metrics.md` recommends; only the discovery of pods,
which Debian's build has none for, is a file here.

Replicas are paths of one small server. All of them are known to Prometheus from the beginning, because it takes seconds
until it knows of others; one that is not up answers with 503, as where a pod is not there.
"""

import contextlib
import json
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import yaml

from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline_tests.contract.loopback_servers import running_server
from shopkart_pipeline_tests.fakes.servers import served

PROGRAM = shutil.which("prometheus")
_PAGE = Path(__file__).resolve().parents[2] / "docs" / "kubernetes_metrics.md"
_META = "__meta_kubernetes_pod"
SCRAPE_SECONDS = 1.0
"""Also how long a scrape may take: on a busy machine a shorter one is missed now and then."""
MEMORY_BYTES = 48_000_000
BOUNDS = ("0.01", "0.1", "1.0", "+Inf")


@dataclass
class Exporter:
    """A replica, as its own page of metrics tells it."""

    environment: str
    service: str
    track: Track
    name: str
    jobs: tuple[str, ...] = ("pods",)
    is_up: bool = False
    version: str = ""
    requests: Counter[tuple[str, str]] = field(default_factory=lambda: Counter({("GET", "2xx"): 0, ("GET", "5xx"): 0}))
    """By method and class of status."""
    seconds: float = 0.02
    """How long each request takes."""

    def answer(self, requests: int, status: str = "2xx", method: str = "GET") -> None:
        """Have answered some more requests."""
        self.requests[method, status] += requests

    def start_again(self) -> None:
        """As where the container was started again."""
        self.requests = Counter({("GET", "2xx"): 0, ("GET", "5xx"): 0})

    @property
    def page(self) -> str:
        lines = [
            f'storefront_http_requests_total{{method="{method}",status_class="{status}",route="/"}} {count}'
            for (method, status), count in self.requests.items()
        ]
        total = self.requests.total()
        lines += [
            f'storefront_http_request_duration_seconds_bucket{{method="GET",route="/",le="{bound}"}} '
            f"{total if self.seconds <= float(bound) else 0}"
            for bound in BOUNDS
        ]
        # What the kubelet would tell of its pod.
        lines.append(f'container_memory_working_set_bytes{{container="app"}} {MEMORY_BYTES}')
        return "\n".join(["# TYPE storefront_http_requests_total counter", *lines, ""])

    def target(self, address: str) -> dict[str, Any]:
        """As a cluster's service discovery tells of a pod."""
        host, _, port = address.removeprefix("http://").partition(":")
        labels = {
            f"{_META}_annotation_prometheus_io_path": f"/{self.name}",
            f"{_META}_annotation_prometheus_io_port": port,
            f"{_META}_ip": host,
            f"{_META}_label_app_kubernetes_io_instance": self.environment,
            f"{_META}_label_app_kubernetes_io_name": self.service,
            f"{_META}_label_app_kubernetes_io_version": self.version,
            f"{_META}_label_shopkart_track": self.track.value,
            "__meta_kubernetes_namespace": self.environment,
            f"{_META}_name": self.name,
            f"{_META}_phase": "Running",
        }
        return {"targets": [f"{host}:1"], "labels": labels}


class ServicePool:
    """Services with some replicas of stable and one canary each; none is up.

    Args:
        names: of the services.
        environments: where they are.
        stable: how many replicas of stable there are.
    """

    def __init__(self, names: Sequence[str], environments: Sequence[str] = ("production",), stable: int = 2) -> None:
        self.exporters = [
            Exporter(environment, service, track, f"{service}-{environment}-{track.value}-{number}")
            for service in names
            for environment in environments
            for track, number in (*((Track.STABLE, number) for number in range(stable)), (Track.CANARY, 0))
        ]

    @classmethod
    def of_replicas(cls, *replicas: Exporter) -> "ServicePool":
        """Those alone."""
        pool = cls(())
        pool.exporters.extend(replicas)
        return pool

    def of(self, environment: str, service: str, track: Track) -> list[Exporter]:
        return [
            each
            for each in self.exporters
            if (each.environment, each.service, each.track) == (environment, service, track)
        ]


@contextlib.contextmanager
def running_prometheus(folder: Path, pool: ServicePool, **configured: Any) -> Generator[str]:
    """Run Prometheus over the replicas of a pool; gives its address.

    Args:
        folder: where it may write.
        pool: whom it scrapes.
        configured: further sections of its configuration, such as `rule_files`.
    """
    assert PROGRAM is not None
    program = PROGRAM
    pages = {f"/{each.name}": each for each in pool.exporters}

    class Pages(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            exporter = pages[self.path]
            content = exporter.page.encode() if exporter.is_up else b""
            self.send_response(200 if exporter.is_up else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(content)))
            with contextlib.suppress(ConnectionError):  # It ends in the middle of a scrape.
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with served(Pages) as address:
        configuration = _configuration(folder, pool, address, configured)
        options = ("--storage.tsdb.retention.time=1h", "--log.level=error")

        def command(port: int) -> Sequence[str]:
            listen = f"--web.listen-address=127.0.0.1:{port}"
            data = f"--storage.tsdb.path={folder / 'data'}"
            return [program, f"--config.file={configuration}", data, listen, *options]

        with running_server(command, folder) as prometheus:
            yield prometheus


def _configuration(folder: Path, pool: ServicePool, address: str, configured: dict[str, Any]) -> Path:
    jobs: list[dict[str, Any]] = []
    for job in sorted({job for each in pool.exporters for job in each.jobs}):
        targets = folder / f"{job}.json"
        targets.write_text(json.dumps([each.target(address) for each in pool.exporters if job in each.jobs]))
        discovery = {"file_sd_configs": [{"files": [str(targets)]}]}
        jobs.append({"job_name": job, "relabel_configs": _documented_relabelling(), **discovery})
    interval = f"{SCRAPE_SECONDS * 1000:.0f}ms"
    path = folder / "prometheus.yml"
    # JSON is YAML.
    common = {"scrape_interval": interval, "scrape_timeout": interval}
    path.write_text(json.dumps({"global": common, "scrape_configs": jobs, **configured}))
    return path


def _documented_relabelling() -> list[dict[str, Any]]:
    blocks = re.findall(r"```yaml\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    [written] = [block for block in blocks if "relabel_configs" in block]
    return yaml.safe_load(written)["scrape_configs"][0]["relabel_configs"]


def until(holds: Any, seconds: float = 60.0) -> Any:
    """What a question gives as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise AssertionError("it never came to that")
        threading.Event().wait(0.05)
    return found
