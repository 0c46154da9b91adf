"""Jobs across controllers: nothing is lost, nothing is run twice, and what nobody saw end has failed."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from shopkart_pipeline.adapters.local_cluster import fleet, images
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.job_documents import want
from shopkart_pipeline.adapters.local_cluster.jobs import Jobs
from shopkart_pipeline.adapters.local_cluster.runtime import Launch, Runtime
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.job import JobPhase, JobSpec, JobStatus
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.unit.adapters.local_cluster.replicas import V1

JOB = JobSpec("expand-1", V1, ("python", "-m", "migrate"), 0.2)


class StandInRuntime(Runtime):
    """Runs nothing; a test says how each job ends."""

    name = "stand-in"

    def __init__(self) -> None:
        self.started: list[Launch] = []
        self.stopped: list[str] = []
        self.ends: dict[str, asyncio.Future[int | None]] = {}
        self.refusal: Exception | None = None

    async def start(self, launch: Launch) -> str:
        if self.refusal is not None:
            raise self.refusal
        self.started.append(launch)
        launch.log.write_text("PASSWORD is hunter22hunter22\n")
        return f"run-{len(self.started)}"

    async def alive(self, handle: str) -> bool:
        return handle not in self.ends or not self.ends[handle].done()

    async def wait(self, handle: str) -> int | None:
        return await asyncio.shield(self.ends.setdefault(handle, asyncio.get_running_loop().create_future()))

    async def stop(self, handle: str, grace_seconds: float) -> None:
        self.stopped.append(handle)

    async def sweep(self, known: Collection[str]) -> None: ...

    def end(self, handle: str, code: int | None) -> None:
        self.ends.setdefault(handle, asyncio.get_running_loop().create_future()).set_result(code)


class StandInGround:
    """What jobs rest on, as far as they look at it."""

    environments = ("production",)
    secrets = ("hunter22hunter22",)

    def __init__(self, home: Path, runtime: Runtime) -> None:
        self.folders, self.runtime, self.images = Folders(home), runtime, self
        self.clock = FixedClock(datetime(2026, 3, 1, 12, tzinfo=UTC))

    async def get(self, repository: str, digest: str) -> images.Image:
        return cast(images.Image, (repository, digest))

    def variables_of(self, environment: str, spec: object) -> dict[str, str]:
        return {"DATABASE_URL": f"postgresql://{environment}"}


@pytest.fixture
def runtime() -> StandInRuntime:
    return StandInRuntime()


def jobs_of(home: Path, runtime: Runtime) -> Jobs:
    """The jobs as a controller that has just begun knows them."""
    return Jobs(cast(fleet.Ground, StandInGround(home, runtime)))


def asked(home: Path, job: JobSpec = JOB) -> JobStatus:
    return want(Folders(home), "production", "backend", job)


async def settle(jobs: Jobs) -> None:
    """Let the controller look now and then for a moment."""
    for _ in range(5):
        jobs.look(["production"])
        await asyncio.sleep(0.005)


async def die(jobs: Jobs) -> None:
    await asyncio.gather(*jobs.abandon(), return_exceptions=True)


def running(coroutine: Any) -> None:
    asyncio.run(coroutine)


def test_a_job_is_started_once_and_its_end_is_kept_without_secrets(tmp_path: Path, runtime: StandInRuntime) -> None:
    async def scenario() -> None:
        jobs = jobs_of(tmp_path, runtime)
        assert asked(tmp_path).phase is JobPhase.RUNNING
        await settle(jobs)
        asked(tmp_path)
        await settle(jobs)
        assert jobs.handles == ["run-1"]
        assert jobs.digests == {V1.digest}
        runtime.end("run-1", 0)
        await settle(jobs)
        assert asked(tmp_path) == JobStatus(JobPhase.SUCCEEDED, "", ("PASSWORD is [redacted]",))
        assert jobs.handles == []
        [launch] = runtime.started
        assert (launch.command, launch.variables["DATABASE_URL"]) == (JOB.command, "postgresql://production")
        await settle(jobs_of(tmp_path, runtime))
        assert len(runtime.started) == 1

    running(scenario())


def test_a_successor_goes_on_waiting_for_a_job_that_runs(tmp_path: Path, runtime: StandInRuntime) -> None:
    async def scenario() -> None:
        first = jobs_of(tmp_path, runtime)
        asked(tmp_path)
        await settle(first)
        await die(first)
        second = jobs_of(tmp_path, runtime)
        second.adopt()
        assert second.handles == ["run-1"]
        runtime.end("run-1", 3)
        await settle(second)
        assert asked(tmp_path).reason == "exit code 3"
        assert len(runtime.started) == 1

    running(scenario())


def test_what_ended_while_nobody_looked_has_failed(tmp_path: Path, runtime: StandInRuntime) -> None:
    async def scenario() -> None:
        first = jobs_of(tmp_path, runtime)
        asked(tmp_path)
        await settle(first)
        await die(first)
        runtime.end("run-1", None)
        second = jobs_of(tmp_path, runtime)
        second.adopt()
        await settle(second)
        status = asked(tmp_path)
        assert (status.phase, status.reason) == (JobPhase.FAILED, "it ended, and nobody saw with which exit code")

    running(scenario())


def test_what_was_only_wished_for_is_started_by_the_successor(tmp_path: Path, runtime: StandInRuntime) -> None:
    async def scenario() -> None:
        asked(tmp_path)
        jobs = jobs_of(tmp_path, runtime)
        jobs.adopt()
        assert jobs.handles == []
        await settle(jobs)
        assert jobs.handles == ["run-1"]
        await die(jobs)

    running(scenario())


def test_a_job_whose_time_is_over_is_stopped(tmp_path: Path, runtime: StandInRuntime) -> None:
    async def scenario() -> None:
        jobs = jobs_of(tmp_path, runtime)
        asked(tmp_path)
        await settle(jobs)
        await asyncio.sleep(0.25)
        await settle(jobs)
        assert asked(tmp_path).reason == "it did not end within 0.2 s"
        assert runtime.stopped == ["run-1"]

    running(scenario())


def test_a_job_that_can_not_be_started_has_failed_with_the_reason(tmp_path: Path, runtime: StandInRuntime) -> None:
    async def scenario() -> None:
        runtime.refusal = NotFound("The image does not hold migrate.", "Start it otherwise.")
        jobs = jobs_of(tmp_path, runtime)
        asked(tmp_path)
        await settle(jobs)
        status = asked(tmp_path)
        assert (status.phase, status.reason) == (
            JobPhase.FAILED,
            "The image does not hold migrate. Start it otherwise.",
        )

    running(scenario())


def test_when_the_platform_stops_its_jobs_end_and_have_failed(tmp_path: Path, runtime: StandInRuntime) -> None:
    async def scenario() -> None:
        jobs = jobs_of(tmp_path, runtime)
        asked(tmp_path)
        await settle(jobs)
        await die(jobs)
        await jobs.stop()
        assert runtime.stopped == ["run-1"]
        assert asked(tmp_path).reason == "it was ended together with the local cluster"

    running(scenario())


def test_the_first_wish_under_a_name_holds(tmp_path: Path, runtime: StandInRuntime) -> None:
    async def scenario() -> None:
        asked(tmp_path)
        asked(tmp_path, JobSpec(JOB.name, V1, ("other",), 1.0))
        jobs = jobs_of(tmp_path, runtime)
        await settle(jobs)
        assert [launch.command for launch in runtime.started] == [JOB.command]
        await die(jobs)

    running(scenario())
