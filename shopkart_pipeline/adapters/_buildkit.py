"""BuildKit where it can write an image that says nothing about the time of its build.

That takes `buildx`, a driver with the OCI exporter, and BuildKit 0.13, which brought `rewrite-timestamp`. The engine's
own builder has the exporter where images are kept in containerd, and that BuildKit since Docker 26; of another
builder, `buildx inspect` tells driver and version. Where anything is missing the reason is what makes an image of the
older ways "not reproducible".

Rewriting only lowers times that are later than the one that is declared. Were that the commit's, a layer that was
made before it and is taken from the cache would keep its own time; so it is a constant that lies before every build.
Images on disk go in as named contexts, which any driver takes, and attestations are off: they tell the build's time.

Rules: BuildKit `docs/build-repro.md`; `docker buildx build`, exporters `oci`; Docker 26.0 release notes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters._build_inputs import LayoutInput
from shopkart_pipeline.adapters._docker_build import PROBE_SECONDS, PROXIES, Plan, has_buildx, run_docker
from shopkart_pipeline.adapters._docker_connection import Engine
from shopkart_pipeline.adapters._oci_pack import ENTRY_TIME_SECONDS, Deadline
from shopkart_pipeline.domain.errors import PipelineError

_CONTAINERD_STORE = "io.containerd.snapshotter.v1"
_FIRST_ENGINE = 26
_FIRST_BUILDKIT = (0, 13)
_EXPORT = "type=oci,dest=image,tar=false,rewrite-timestamp=true,compression=uncompressed,force-compression=true"
_DRIVERS = ("docker-container", "kubernetes", "remote")
_DRIVER = re.compile(r"^Driver:\s*(\S+)", re.MULTILINE)
_BUILDKIT = re.compile(r"^BuildKit(?: version)?:\s*v?(\d+)\.(\d+)\S*", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class Builder:
    """Which of buildx's builders to use, and where buildx keeps what it knows of them."""

    name: str = "default"
    """`default` is the engine's own."""
    state: Path | None = None

    @property
    def variables(self) -> dict[str, str]:
        return {} if self.state is None else {"BUILDX_CONFIG": str(self.state)}


OWN_BUILDER = Builder()


def why_not_rewriting(engine: Engine, program: str | None, host: str, builder: Builder, home: Path) -> str | None:
    """Why an image of this engine or builder would tell when it was built; None where it need not."""
    if program is None or not has_buildx(program, home):
        return "buildx is not installed"
    if builder == OWN_BUILDER:
        return _why_not_engine(engine)
    words = ("buildx", "inspect", builder.name)
    done = run_docker(program, words, home, PROBE_SECONDS, host=host, variables=builder.variables)
    failure = done.failure("docker buildx inspect")
    return failure or _why_not_builder(builder.name, done.stdout.decode(errors="replace"))


def build_rewritten(
    program: str, builder: Builder, plan: Plan, given: Sequence[LayoutInput], home: Path, deadline: Deadline
) -> Path:
    """Build into an OCI layout, whose folder is returned; raises `PipelineError` with the last words of the log,
    `TimeoutError` when time is over."""
    named = (f"{each.name}=oci-layout://{each.layout}" for each in given)
    handed_over = {each.argument: each.name for each in given}
    # A proxy without a value is taken from the command's own environment, and left out where that has none.
    arguments = (*(f"{name}={value}" for name, value in sorted({**plan.arguments, **handed_over}.items())), *PROXIES)
    words = (
        *("buildx", "build", "--builder", builder.name, "--progress", "plain", "--network", plan.network),
        *("--provenance=false", "--sbom=false"),
        *(("--no-cache",) if plan.fresh else ()),
        *(word for context in named for word in ("--build-context", context)),
        *(word for argument in arguments for word in ("--build-arg", argument)),
        *("--output", _EXPORT),
        *("--file", str(plan.dockerfile), str(plan.context)),
    )
    variables = {**builder.variables, "SOURCE_DATE_EPOCH": str(ENTRY_TIME_SECONDS)}
    done = run_docker(program, words, home, deadline.left_seconds, host=plan.host, log=plan.log, variables=variables)
    if done.timed_out:
        raise TimeoutError
    failure = done.failure("docker buildx build", last_lines=4)
    if failure is not None:
        raise PipelineError(f"{failure}.", "Read the log, and build the Dockerfile by hand.")
    return home / "image"


def _why_not_engine(engine: Engine) -> str | None:
    # Pairs of words about where images are kept.
    if ["driver-type", _CONTAINERD_STORE] not in (engine.info().get("DriverStatus") or ()):
        return "the engine does not keep its images in containerd"
    version = str(engine.version()["Version"])
    major = version.partition(".")[0]
    if not major.isdecimal() or int(major) < _FIRST_ENGINE:
        return f"the engine is Docker {version}; {_FIRST_ENGINE} is the first whose BuildKit can rewrite times"
    return None


def _why_not_builder(name: str, told: str) -> str | None:
    driver, version = _DRIVER.search(told), _BUILDKIT.search(told)
    if driver is None or driver.group(1) not in _DRIVERS:
        return f"the builder {name} has the driver {driver.group(1) if driver else 'unknown'}"
    if version is None:
        return f"the builder {name} does not tell its version of BuildKit"
    if (int(version.group(1)), int(version.group(2))) < _FIRST_BUILDKIT:
        return f"the builder {name} has {version.group(0)}; 0.13 is the first that can rewrite times"
    return None
