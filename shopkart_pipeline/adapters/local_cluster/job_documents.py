"""What is written of a job: what it is to run, by a client and once, and how it stands, by the controller alone.

The first wish under a name holds; another one under the same name asks for the same run.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.adapters.local_cluster.documents import Codec, locked
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.domain.job import JobPhase, JobSpec, JobStatus

_RUNNING = JobStatus(JobPhase.RUNNING)


@dataclass(frozen=True)
class JobRecord:
    """How a job stands."""

    began_at: datetime
    """From here on its time runs."""
    handle: str | None = None
    """What the runtime finds it by; None before it was started, and after it has ended."""
    ended: JobStatus | None = None


WANTED, RECORD = Codec(JobSpec), Codec(JobRecord)


def wanted_path(folder: Path) -> Path:
    return folder / "wanted.json"


def record_path(folder: Path) -> Path:
    return folder / "record.json"


def is_wanted(folders: Folders, environment: str, service: str, name: str) -> bool:
    """Whether somebody has asked for that job already."""
    return wanted_path(folders.job_of(environment, service, name)).exists()


def want(folders: Folders, environment: str, service: str, job: JobSpec) -> JobStatus:
    """Ask for a job, durably and once; returns how it stands."""
    folder = folders.job_of(environment, service, job.name)
    path = wanted_path(folder)
    if not path.exists():
        with locked(folder / "wanted.lock"):
            if not path.exists():
                WANTED.write(path, job, durable=True)
    record = RECORD.read(record_path(folder))
    return _RUNNING if record is None or record.ended is None else record.ended
