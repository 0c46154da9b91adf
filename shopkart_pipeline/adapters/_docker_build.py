"""Two ways to have an engine build a Dockerfile: BuildKit through the command line, or the engine's classic API.

BuildKit skips stages that nothing needs and keeps a better cache; it is used wherever a command line is installed that
can speak it (its own up to Docker 22, the `buildx` plug-in after that). Both ways honour `.dockerignore`.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters._confinement import private_folder
from shopkart_pipeline.adapters._docker_connection import Engine
from shopkart_pipeline.adapters._oci_pack import Deadline
from shopkart_pipeline.adapters._process import Command, Completed, find_executable, run
from shopkart_pipeline.domain.errors import PipelineError

PROBE_SECONDS = 5.0
_LAST_WITH_OWN_BUILDKIT = 22
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Plan:
    """One build."""

    host: str
    context: Path
    dockerfile: Path
    tag: str
    labels: Mapping[str, str]
    arguments: Mapping[str, str]
    network: str
    log: Path
    fresh: bool
    """Take nothing from the engine's cache."""


def find_buildkit() -> str | None:
    """A command line that can speak BuildKit, or None."""
    found = (find_executable("docker"), find_executable("docker", Path("/usr/bin")))
    return next((program for program in dict.fromkeys(found) if program and _speaks_buildkit(program)), None)


def build_with_buildkit(program: str, plan: Plan, deadline: Deadline) -> None:
    """Build and tag; raises `PipelineError` with the last words of the log, `TimeoutError` when time is over."""
    # A proxy without a value is taken from the command's own environment, and left out where that has none.
    arguments = (*(f"{name}={value}" for name, value in sorted(plan.arguments.items())), *PROXIES)
    labels = (f"{name}={value}" for name, value in sorted(plan.labels.items()))
    words = (
        *("build", "--progress", "plain", "--network", plan.network),
        *(("--no-cache",) if plan.fresh else ()),
        *(word for argument in arguments for word in ("--build-arg", argument)),
        *(word for label in labels for word in ("--label", label)),
        *("--file", str(plan.dockerfile), "--tag", plan.tag, str(plan.context)),
    )
    with tempfile.TemporaryDirectory(prefix="docker-", dir=private_folder()) as home:
        done = run_docker(program, words, Path(home), deadline.left_seconds, host=plan.host, log=plan.log)
    if done.timed_out:
        raise TimeoutError
    failure = done.failure("docker build", last_lines=4)
    if failure is not None:
        raise PipelineError(f"{failure}.", "Read the log, and build the Dockerfile by hand.")


def build_with_engine(engine: Engine, plan: Plan, deadline: Deadline) -> None:
    """Build and tag through the classic API; raises as `build_with_buildkit` does."""
    lines = engine.build(
        path=str(plan.context),
        dockerfile=str(plan.dockerfile.relative_to(plan.context)),
        tag=plan.tag,
        labels=dict(plan.labels),
        buildargs=dict(plan.arguments),
        network_mode=plan.network,
        timeout=deadline.left_seconds,
        nocache=plan.fresh,
        rm=True,
        forcerm=True,
        decode=True,
    )
    with plan.log.open("a", encoding="utf-8") as log:
        for line in lines:
            deadline.check()
            log.write(str(line.get("stream") or line.get("status") or line.get("error") or ""))
            if "error" in line:
                raise PipelineError(f"docker build failed: {line['error']}.", "Read the log, and build by hand.")


def has_buildx(program: str, home: Path) -> bool:
    """Whether the command line has the plug-in `buildx`."""
    return run_docker(program, ("buildx", "version"), home, PROBE_SECONDS).exit_code == 0


def _speaks_buildkit(program: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="docker-", dir=private_folder()) as home:
        if has_buildx(program, Path(home)):
            return True
        # `version` exits with an error where it finds no engine, and still tells the client's version.
        version = run_docker(program, ("version", "--format", "{{.Client.Version}}"), Path(home), PROBE_SECONDS)
    major = version.stdout.decode(errors="replace").strip().partition(".")[0]
    return major.isdecimal() and int(major) <= _LAST_WITH_OWN_BUILDKIT


def run_docker(
    program: str,
    arguments: tuple[str, ...],
    home: Path,
    timeout_seconds: float,
    *,
    host: str | None = None,
    log: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Completed:
    """Run the command line with an empty configuration: it knows no credentials."""
    given = {"DOCKER_BUILDKIT": "1", "DOCKER_CONFIG": str(home), **(variables or {})}
    return run(
        Command(
            arguments=(program, *(("--host", host) if host else ()), *arguments),
            cwd=home,
            timeout_seconds=timeout_seconds,
            variables=given,
            network=True,
            log=log,
            capture=log is None,
            confined=False,
        )
    )
