"""Python services: their environment for checks and tests, and what their image holds.

Both come from lock files with hashes, so an index can only give what was locked. The package cache is asked first and
the index after it: a locked file is the same from either, and a release does not wait for an index that is down.

Tests share an environment, and may change it. So it shares no file with the package cache, and nothing that gets into
an image is built by what is in it: that has an environment of its own, which no test can write to (`_confinement`).

The application folder holds `deps` (the locked packages) and `app` (the service and its shared projects), for a
`PYTHONPATH` of `/app/app:/app/deps`. It is built from a copy of the tree and says nothing about where, when and by
which interpreter it was built: the same commit gives the same bytes. `_installed_files` takes care of that. The
licences of what lies in `deps` are findings of the application (`_licences`).

Locks: option `lock` of the dependencies stage (default `requirements-dev.lock`) and of the application stage (default
`requirements.lock`), relative to the service's path.
"""

import hashlib
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from shopkart_pipeline.adapters import _installed_files as installed
from shopkart_pipeline.adapters._confinement import PACKAGES
from shopkart_pipeline.adapters._licences import (
    licence_findings,
    licence_measures,
    licence_report,
    licensed_packages,
)
from shopkart_pipeline.adapters._locked_packages import allowed_hashes
from shopkart_pipeline.adapters._process import Command, find_executable, run
from shopkart_pipeline.adapters._python_components import python_purl
from shopkart_pipeline.adapters._service_paths import roots_of
from shopkart_pipeline.adapters._tool_identity import identity_of
from shopkart_pipeline.domain.component import Component, PackageVersion
from shopkart_pipeline.domain.declaration import Service, StageKind
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, Tool, ToolRun
from shopkart_pipeline.ports.builder import ApplicationBuilder

_DEV_LOCK = "requirements-dev.lock"
_LOCK = "requirements.lock"
_LOCKED = "deps"
"""Where the packages of others go; the service's own are in `app`."""
_FOR_TESTS = ("--compile-bytecode", "--link-mode=copy")
"""Compiled once here instead of at every start of a test process: environments are shared and long-lived."""
_LICENCES = "1"
"""Moves when licences are told in another way: earlier results don't stand then."""
_VARIABLES = {
    "UV_NO_CONFIG": "1",
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    # Archives written by build backends carry this time: the earliest that a zip file can hold.
    "SOURCE_DATE_EPOCH": "315532800",
    "PYTHONHASHSEED": "0",
}


class PythonApplication(ApplicationBuilder):
    """Installs and builds with uv."""

    name = "python"

    def __init__(self, cache: Path, interpreter: Path | None = None) -> None:
        """
        Args:
            cache: folder for the package cache; made when first needed.
            interpreter: the Python that environments are made for; the running one by default.
        """
        self._cache = cache
        self._interpreter = interpreter or Path(sys.executable)

    def inputs(self) -> Mapping[str, str] | None:
        uv = identity_of(find_executable("uv", Path(sys.executable).parent))
        return (
            None
            if uv is None
            else {**uv, "licences": _LICENCES, "python": sys.version, "interpreter": str(self._interpreter)}
        )

    def install(self, service: Service, tree: Path, environment: Path, log: Path, timeout_seconds: float) -> ToolRun:
        uv = self._uv(environment.parent, log, timeout_seconds)
        if isinstance(uv, EvidenceMissing):
            return ToolRun(uv)
        name = _option(service, StageKind.DEPENDENCIES, _DEV_LOCK)
        lock = tree / service.source.path / name
        tool = uv.tool(f"{name} with hashes")
        if not environment.exists():
            if not lock.is_file():
                return ToolRun(EvidenceMissing(f"{service.source.path} has no {name}", tool))
            with tempfile.TemporaryDirectory(prefix=f".{environment.name}-", dir=uv.home) as scratch:
                if reason := uv.make_environment(Path(scratch) / "environment", self._interpreter, lock, *_FOR_TESTS):
                    return ToolRun(EvidenceMissing(reason, tool))
                _publish(Path(scratch) / "environment", environment)
        packages = installed.packages_of(environment)
        if not packages:
            return ToolRun(EvidenceMissing(f"{name} names no package: nothing could be tested", tool))
        listing = RawReport("packages.txt", "text/plain", "".join(f"{line}\n" for line in packages).encode())
        evidence = Evidence(tool, f"{len(packages)} packages from {name}", {"packages": float(len(packages))})
        return ToolRun(evidence, (listing,))

    def build(
        self,
        service: Service,
        tree: Path,
        environment: Path,
        application: Path,
        log: Path,
        timeout_seconds: float,
    ) -> ToolRun:
        uv = self._uv(application.parent, log, timeout_seconds)
        if isinstance(uv, EvidenceMissing):
            return ToolRun(uv)
        name = _option(service, StageKind.APPLICATION, _LOCK)
        tool = uv.tool(f"{name} with hashes")
        lock = tree / service.source.path / name
        dev_lock = tree / service.source.path / _option(service, StageKind.DEPENDENCIES, _DEV_LOCK)
        if not lock.is_file() or not _is_project(tree / service.source.path):
            return ToolRun(EvidenceMissing(f"{service.source.path} has no {name} or no Python project", tool))
        if not application.exists():
            with (
                tempfile.TemporaryDirectory(prefix=f".{application.name}-", dir=uv.home) as scratch,
                tempfile.TemporaryDirectory(prefix="shopkart-", ignore_cleanup_errors=True) as aside,
            ):
                projects = _copied_projects(service, tree, Path(aside) / "source")
                target = Path(scratch) / "application"
                builder = uv.builder(self._interpreter, dev_lock) if dev_lock.is_file() else environment
                if isinstance(builder, str):
                    return ToolRun(EvidenceMissing(builder, tool))
                if reason := uv.build(target, projects, lock, builder, Path(aside) / "app"):
                    return ToolRun(EvidenceMissing(reason, tool))
                installed.make_reproducible(target)
                _publish(target, application)
        if not installed.packages_of(application):
            return ToolRun(EvidenceMissing("the application holds no package", tool))
        return _evidence(tool, application)

    def locked(self, service: Service, read: Callable[[str], bytes | None]) -> Mapping[PackageVersion, Component]:
        name = _option(service, StageKind.APPLICATION, _LOCK)
        content = read((PurePosixPath(service.source.path) / name).as_posix())
        try:
            hashes = allowed_hashes((content or b"").decode())
        except ValueError as error:
            raise UntrustedInput(f"{name} can't be read: {error}.", "Lock the dependencies again.") from error
        found: dict[PackageVersion, Component] = {}
        for package, allowed in hashes.items():
            version = PackageVersion(package.ecosystem.value, package.name, package.version)
            purl = python_purl(package.name, package.version)
            found[version] = Component(version, purl, hashes=tuple(sorted(allowed)))
        return found

    def _uv(self, home: Path, log: Path, timeout_seconds: float) -> "_Uv | EvidenceMissing":
        executable = find_executable("uv", Path(sys.executable).parent)
        if executable is None:
            return EvidenceMissing("uv is not installed")
        home.mkdir(parents=True, exist_ok=True)
        self._cache.mkdir(parents=True, exist_ok=True)
        return _Uv(executable, self._cache, home, log, time.monotonic() + timeout_seconds)


@dataclass(frozen=True)
class _Uv:
    """uv, for one installation or build. Its methods return why they failed, or None."""

    executable: str
    cache: Path
    home: Path
    """Where its processes run; they leave nothing there."""
    log: Path
    deadline_seconds: float
    """On the monotonic clock."""

    def tool(self, rules: str) -> Tool:
        done = run(Command([self.executable, "--version"], self.home, 30.0, capture=True))
        words = done.stdout.decode(errors="replace").split()
        return Tool("uv", words[1] if len(words) > 1 else "unknown", rules)

    def make_environment(self, environment: Path, interpreter: Path, lock: Path, *options: str) -> str | None:
        python = environment / "bin" / "python"
        words = ["venv", "--relocatable", "--python", str(interpreter), str(environment)]
        return self._run(words, writes=PACKAGES) or self._install(
            ["--python", str(python), *options, "--requirements", str(lock)]
        )

    def builder(self, interpreter: Path, lock: Path) -> Path | str:
        """An environment that builds alone use; or why there is none."""
        known = f"{interpreter}\n{sys.version}\n".encode() + lock.read_bytes()
        environment = self.cache / "builders" / hashlib.sha256(known).hexdigest()[:32]
        if not environment.exists():
            environment.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=environment.parent) as scratch:
                if reason := self.make_environment(Path(scratch) / "environment", interpreter, lock):
                    return reason
                _publish(Path(scratch) / "environment", environment)
        return environment

    def build(self, target: Path, projects: Sequence[Path], lock: Path, environment: Path, aside: Path) -> str | None:
        """The service's own code runs as it is built: aside, where no installation of others can be changed."""
        python = ["--python", str(environment / "bin" / "python")]
        # Copies: links into the cache would let whoever changes the application change the cache.
        locked = [*python, "--link-mode=copy", "--target", str(target / _LOCKED), "--requirements", str(lock)]
        own = ["--no-deps", "--no-build-isolation", "--offline", "--no-cache", "--target", str(aside)]
        return (
            self._install(locked)
            or self._run(["pip", "install", *python, *own, *map(str, projects)])
            # By a command, too: something that was left running may put links to anywhere in.
            or self._ended("cp", ["cp", "-a", "--", str(aside), str(target / "app")], False, PACKAGES)
        )

    def _install(self, arguments: Sequence[str]) -> str | None:
        command = ["pip", "install", "--require-hashes", *arguments]
        cached = ["--cache-dir", str(self.cache)]
        if self._run([*command, *cached, "--offline"], writes=PACKAGES) is None:
            return None
        return self._run([*command, *cached], network=True, writes=PACKAGES)

    def _run(self, arguments: Sequence[str], *, network: bool = False, writes: tuple[str, ...] = ()) -> str | None:
        return self._ended(f"uv {arguments[0]}", [self.executable, *arguments], network, writes)

    def _ended(self, name: str, words: Sequence[str], network: bool, writes: tuple[str, ...]) -> str | None:
        variables: Mapping[str, str] = {**_VARIABLES, "HOME": str(self.cache)}
        left_seconds = max(0.01, self.deadline_seconds - time.monotonic())
        command = Command(words, self.home, left_seconds, variables, network, self.log, writes=writes)
        return run(command).failure(name)


def _evidence(tool: Tool, application: Path) -> ToolRun:
    """What the application holds, and under which licences others let it be shipped."""
    files, size_bytes = installed.size_of(application)
    packages = licensed_packages(application / _LOCKED)
    findings = licence_findings(packages)
    measures = {"files": float(files), "size_bytes": float(size_bytes), **licence_measures(findings)}
    summary = f"{files} files, {size_bytes / 1e6:.1f} MB, {len(packages)} packages of others"
    notes = ("Licences are not compared with the base: all of them count as new.",)
    return ToolRun(Evidence(tool, summary, measures, findings, notes=notes), (licence_report(packages),))


def _option(service: Service, kind: StageKind, default: str) -> str:
    stage = next((stage for stage in service.stages if stage.kind is kind), None)
    return stage.options.get("lock", default) if stage else default


def _is_project(folder: Path) -> bool:
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return "project" in project


def _copied_projects(service: Service, tree: Path, destination: Path) -> list[Path]:
    """The service's Python projects, copied with their places to each other: builds write beside their sources."""
    projects: list[Path] = []
    for root in roots_of(service.source, tree):
        copy = destination / root
        shutil.copytree(tree / root, copy, symlinks=True)
        if _is_project(copy):
            projects.append(copy)
    return projects


def _publish(complete: Path, destination: Path) -> None:
    """Rename to where others look; whoever came first with the same content has done it already."""
    try:
        complete.rename(destination)
    except OSError:
        if not destination.is_dir():
            raise
