"""Run one migration in one environment to its end, and tell what came of it.

The platform runs the command, in the release's own image, as a job whose name follows from stage, environment,
release, image, and the last attempt that left a result. So whoever comes after a worker that died finds the same job,
ended or running, and only an attempt after a recorded one runs the command again. Migrations of a service exclude each
other by a lease of their own: a rollback needs another one, and never waits for a migration that only adds.
"""

import hashlib
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta

from shopkart_pipeline.domain.declaration import Deployment, Stage
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, Tool, ToolRun
from shopkart_pipeline.domain.job import JobPhase, JobSpec, JobStatus
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.drive_rollout import keep_lease, leased, note, patiently
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.specify_workload import workload_spec

MIGRATION = Tool("migration", "1")
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 2.0
_MARGIN_SECONDS = 60.0
"""How long after its time a platform may take to say that a job has ended."""
_DIGITS = 10
_SHOWN_LINES = 3


def migration_lease(service: str) -> str:
    """What the lease is called that migrations of a service exclude each other by."""
    return f"{service}--migration"


@contextmanager
def leases(
    platform: Platform, deployment: Deployment, names: Sequence[str], holder: str
) -> Generator[Callable[[], None]]:
    """Hold leases, taken in this order; gives what keeps them, which raises `Conflict` where one was lost."""

    def keep() -> None:
        for name in names:
            keep_lease(platform, deployment, name, holder)

    with ExitStack() as stack:
        for name in names:
            stack.enter_context(leased(platform, deployment, name, holder))
        yield keep


def run_to_end(
    platform: Platform, deployment: Deployment, release: Release, stage: Stage, digest: str, keep: Callable[[], None]
) -> JobStatus:
    """The end of a stage's command in an environment. The last lines that it wrote, and what it waited for, are kept
    also where the platform forgets them.

    Args:
        platform: the ports.
        deployment: where.
        release: whose migration.
        stage: whose command, and how long it may take.
        digest: the image.
        keep: called every time before the platform is asked.

    Raises:
        ToolUnavailable: the platform did not answer for longer than the deployment's deadline.
    """
    service, cluster = platform.service(release.service), platform.sites[deployment.environment].cluster
    workload = workload_spec(platform, service, deployment, release, digest)
    name = _job_name(platform, deployment, release, stage, digest)
    job = JobSpec(name, workload, stage.command, stage.timeout_seconds)
    note(platform, release, "migration", f"{stage.name} runs in {deployment.environment} as {name}", {"job": name})

    def look() -> JobStatus:
        keep()
        return cluster.run_job(deployment.environment, service.name, job)

    given_up_at = platform.clock.now() + timedelta(seconds=stage.timeout_seconds + _MARGIN_SECONDS)
    tail, waits, pause = (), "", _FIRST_PAUSE_SECONDS
    while True:
        status = patiently(platform, deployment, look)
        tail = status.log_tail or tail
        if status.phase is not JobPhase.RUNNING:
            return JobStatus(status.phase, _with(status.reason, waits), tail)
        waits = status.reason
        if platform.clock.now() > given_up_at:
            unknown = f"its end is not known after {stage.timeout_seconds:g} s"
            return JobStatus(JobPhase.FAILED, _with(unknown, waits), tail)
        platform.clock.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def told(platform: Platform, release: Release, stage: Stage, deployment: Deployment, status: JobStatus) -> ToolRun:
    """What the end of a command is as evidence. Measure: `completed`, which is 1."""
    log = "".join(f"{line}\n" for line in status.log_tail)
    raw = (RawReport(f"migration-{deployment.environment}.log", "text/plain", log.encode()),) if log else ()
    command = f"{' '.join(stage.command)} in {deployment.environment}"
    if status.phase is JobPhase.SUCCEEDED:
        return ToolRun(Evidence(MIGRATION, f"{command} ran to its end", {"completed": 1.0}), raw)
    shown = " | ".join(status.log_tail[-_SHOWN_LINES:])
    words = f"{command}: {status.reason or 'failed'}{f'; its log ends: {shown}' if shown else '; it wrote nothing'}"
    note(platform, release, "migration", f"{stage.name} failed: {words}", {})
    return ToolRun(EvidenceMissing(words, MIGRATION), raw)


def _with(reason: str, waits: str) -> str:
    return f"{reason} ({waits})" if reason and waits else reason


def _job_name(platform: Platform, deployment: Deployment, release: Release, stage: Stage, digest: str) -> str:
    former = platform.evidence.latest(release.service, release.key).get(stage.name)
    said = (stage.name, deployment.environment, release.key, digest, former.run_id if former else "")
    return f"{stage.name.rpartition('_')[2]}-{hashlib.sha256(chr(0).join(said).encode()).hexdigest()[:_DIGITS]}"
