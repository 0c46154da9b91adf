"""A command of an image that runs to its end, once: what is to run, and how it stands."""

from dataclasses import dataclass
from enum import StrEnum

from shopkart_pipeline.domain.workload import WorkloadSpec


@dataclass(frozen=True)
class JobSpec:
    """One run of one command."""

    name: str
    """Tells it from every other run of the service in the environment; at most 20 of a-z, 0-9 and dashes."""
    workload: WorkloadSpec
    """Its image, and the variables, secrets and rights that its replicas have."""
    command: tuple[str, ...]
    timeout_seconds: float
    """After which the platform ends it."""


class JobPhase(StrEnum):
    """How far a job is."""

    RUNNING = "running"
    """It has not ended, whether or not it has begun."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class JobStatus:
    """What the platform says about a job."""

    phase: JobPhase
    reason: str = ""
    """Why it failed, or what it waits for; empty where there is nothing to say."""
    log_tail: tuple[str, ...] = ()
    """The last lines that it wrote, as they may be shown; empty where it wrote nothing, or nothing is kept."""
