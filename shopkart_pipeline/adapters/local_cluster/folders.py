"""Where the local cluster keeps what it knows. Everything is beneath `<home>/cluster`.

controller.json, controller.lock     who is in charge, and since when it has not been heard of
desired/<environment>/<service>.json what clients want; written by clients under a lock
observed/<environment>/<service>.json what is there; written by the controller alone
images/<digest>/                      unpacked images, shared by all replicas, never changed
logs/<environment>/<service>/         one log for each replica
jobs/<environment>/<service>/<name>/  what a job is to run, written once by a client, and how it stands
logs/jobs/<environment>/<service>/    one log for each job
data/<environment>/                   Redis and PostgreSQL
balancer/                             configuration of the load balancer
vitals.db                             samples of the eight metrics, bounded by time; written by the controller alone
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folders:
    """The paths beneath one home."""

    home: Path

    @property
    def root(self) -> Path:
        return self.home.absolute() / "cluster"

    @property
    def controller(self) -> Path:
        return self.root / "controller.json"

    @property
    def controller_lock(self) -> Path:
        return self.root / "controller.lock"

    @property
    def shutdown_request(self) -> Path:
        return self.root / "shutdown.json"

    @property
    def servers(self) -> Path:
        """Which processes serve as load balancer and datastores."""
        return self.root / "servers.json"

    @property
    def ports(self) -> Path:
        return self.root / "ports.json"

    @property
    def passwords(self) -> Path:
        return self.root / "passwords.json"

    @property
    def balancer(self) -> Path:
        return self.root / "balancer"

    @property
    def vitals(self) -> Path:
        return self.root / "vitals.db"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def desired(self) -> Path:
        return self.root / "desired"

    @property
    def observed(self) -> Path:
        return self.root / "observed"

    def desired_of(self, environment: str, service: str) -> Path:
        return self.desired / environment / f"{service}.json"

    def observed_of(self, environment: str, service: str) -> Path:
        return self.observed / environment / f"{service}.json"

    def logs_of(self, environment: str, service: str) -> Path:
        return self.logs / environment / service

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    def job_of(self, environment: str, service: str, name: str) -> Path:
        return self.jobs / environment / service / name

    def job_log(self, environment: str, service: str, name: str) -> Path:
        return self.logs / "jobs" / environment / service / f"{name}.log"

    def server_log(self, name: str) -> Path:
        return self.logs / "servers" / f"{name}.log"

    def data_of(self, environment: str) -> Path:
        return self.root / "data" / environment

    def scratch_of(self, environment: str, service: str, replica: str) -> Path:
        """A replica's own folder for temporary files."""
        return self.root / "scratch" / environment / service / replica

    def image(self, digest: str) -> Path:
        return self.images / digest.replace(":", "-")
