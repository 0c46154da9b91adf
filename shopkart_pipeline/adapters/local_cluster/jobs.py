"""Jobs as the controller handles them: each is started once, waited for, ended when its time is over, written down.

A job outlives the controller as replicas do, and its successor goes on waiting for it. What ended meanwhile has left no
exit code where jobs are processes: it has failed, because nobody knows better. A job that was started by a controller
which died before it could write that down is ended as a left-over, and started anew.
"""

import asyncio
import logging
import shutil
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from shopkart_pipeline.adapters._shown_lines import shown
from shopkart_pipeline.adapters.local_cluster.fleet import Ground
from shopkart_pipeline.adapters.local_cluster.job_documents import (
    RECORD,
    WANTED,
    JobRecord,
    record_path,
    wanted_path,
)
from shopkart_pipeline.adapters.local_cluster.log_files import last_lines
from shopkart_pipeline.adapters.local_cluster.ports import HOST
from shopkart_pipeline.adapters.local_cluster.runtime import Launch
from shopkart_pipeline.adapters.local_cluster.variables import redacted
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.domain.job import JobPhase, JobSpec, JobStatus

_logger = logging.getLogger(__name__)
_KEPT = timedelta(days=7)
_GRACE_SECONDS = 5.0
_TAIL_LINES = 20


@dataclass(frozen=True)
class _Job:
    environment: str
    service: str
    spec: JobSpec
    folder: Path


class Jobs:
    """The jobs of one home."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._running: dict[Path, tuple[_Job, JobRecord]] = {}
        self._tasks: dict[Path, asyncio.Task[None]] = {}
        self._over: set[Path] = set()

    @property
    def handles(self) -> list[str]:
        """Of everything that runs."""
        return [record.handle for _, record in self._running.values() if record.handle is not None]

    @property
    def digests(self) -> set[str]:
        """Images that are needed."""
        return {job.spec.workload.digest for job, _ in self._running.values()}

    def adopt(self) -> None:
        """Take over the jobs that an earlier controller has left running."""
        for environment in self._ground.environments:
            self._look(environment, started=True)

    def look(self, environments: Collection[str]) -> None:
        """Start what is wanted in these environments and has not begun; forget what ended long ago."""
        for environment in environments:
            self._look(environment, started=False)
        for folder in [folder for folder, task in self._tasks.items() if task.done()]:
            self._tasks.pop(folder).result()
            self._running.pop(folder)

    def _look(self, environment: str, *, started: bool) -> None:
        for path in sorted((self._ground.folders.jobs / environment).glob("*/*/wanted.json")):
            folder = path.parent
            if folder in self._over or folder in self._tasks:
                continue
            try:
                self._begin(environment, folder, started=started)
            except ToolUnavailable as error:
                self._over.add(folder)
                _logger.error("%s", error)

    def _begin(self, environment: str, folder: Path, *, started: bool) -> None:
        record, now = RECORD.read(record_path(folder)), self._ground.clock.now()
        if record is not None and record.ended is not None:
            self._over.add(folder)
            if now - record.began_at > _KEPT:
                shutil.rmtree(folder, ignore_errors=True)
            return
        spec = WANTED.read(wanted_path(folder))
        runs = record is not None and record.handle is not None
        if spec is None or (started and not runs):
            return
        job = _Job(environment, folder.parent.name, spec, folder)
        self._running[folder] = job, record or JobRecord(now)
        self._tasks[folder] = asyncio.create_task(self._live(job), name=spec.name)

    async def _live(self, job: _Job) -> None:
        """See a job to its end; a task that is cancelled leaves it running for the next controller."""
        try:
            status = await self._ended(job)
        except (PipelineError, OSError) as error:
            status = JobStatus(JobPhase.FAILED, self._shown(str(error)))
        except Exception:
            _logger.exception("%s of %s", job.spec.name, job.service)
            status = JobStatus(JobPhase.FAILED, "the local cluster is at fault; see the controller's log")
        self._end(job, status)

    async def _ended(self, job: _Job) -> JobStatus:
        _, record = self._running[job.folder]
        handle = record.handle if record.handle is not None else await self._start(job)
        ends_at = record.began_at + timedelta(seconds=job.spec.timeout_seconds)
        left_seconds = max(0.0, (ends_at - self._ground.clock.now()).total_seconds())
        try:
            exit_code = await asyncio.wait_for(self._ground.runtime.wait(handle), left_seconds)
        except TimeoutError:
            await self._ground.runtime.stop(handle, _GRACE_SECONDS)
            return self._failed(job, f"it did not end within {job.spec.timeout_seconds:g} s")
        match exit_code:
            case 0:
                return JobStatus(JobPhase.SUCCEEDED, "", self._tail(job))
            case None:
                return self._failed(job, "it ended, and nobody saw with which exit code")
            case code:
                return self._failed(job, f"exit code {code}")

    async def _start(self, job: _Job) -> str:
        ground, spec = self._ground, job.spec.workload
        launch = Launch(
            environment=job.environment,
            service=job.service,
            replica=job.spec.name,
            image=await ground.images.get(spec.repository or job.service, spec.digest),
            command=job.spec.command,
            variables={
                **ground.variables_of(job.environment, spec),
                "HOST": HOST,
                "PORT": str(spec.pod.port),
                "SHOPKART_VERSION": spec.release_key,
                "SHOPKART_ENVIRONMENT": job.environment,
            },
            log=self._log(job),
            scratch=self._scratch(job),
        )
        launch.log.parent.mkdir(parents=True, exist_ok=True)
        handle = await ground.runtime.start(launch)
        self._note(job, handle)
        _logger.info("%s of %s in %s runs %s", job.spec.name, job.service, job.environment, spec.digest)
        return handle

    def _note(self, job: _Job, handle: str | None) -> None:
        record = replace(self._running[job.folder][1], handle=handle)
        self._running[job.folder] = job, record
        RECORD.write(record_path(job.folder), record, durable=False)

    def _end(self, job: _Job, status: JobStatus) -> None:
        record = replace(self._running[job.folder][1], handle=None, ended=status)
        self._running[job.folder] = job, record
        RECORD.write(record_path(job.folder), record, durable=True)
        self._over.add(job.folder)
        shutil.rmtree(self._scratch(job), ignore_errors=True)
        _logger.info("%s of %s in %s %s %s", job.spec.name, job.service, job.environment, status.phase, status.reason)

    def _failed(self, job: _Job, reason: str) -> JobStatus:
        return JobStatus(JobPhase.FAILED, reason, self._tail(job))

    def _tail(self, job: _Job) -> tuple[str, ...]:
        return tuple(self._shown(line) for line in last_lines(self._log(job), _TAIL_LINES))

    def _shown(self, text: str) -> str:
        return shown(redacted(text, self._ground.secrets))

    def _log(self, job: _Job) -> Path:
        return self._ground.folders.job_log(job.environment, job.service, job.spec.name)

    def _scratch(self, job: _Job) -> Path:
        return self._ground.folders.scratch_of(job.environment, job.service, job.spec.name)

    def abandon(self) -> list[asyncio.Task[None]]:
        """Leave everything running and look after it no longer."""
        for task in self._tasks.values():
            task.cancel()
        return list(self._tasks.values())

    async def stop(self) -> None:
        """End what runs, as the platform does."""
        for job, record in list(self._running.values()):
            if record.ended is None and record.handle is not None:
                await self._ground.runtime.stop(record.handle, _GRACE_SECONDS)
                self._end(job, self._failed(job, "it was ended together with the local cluster"))
