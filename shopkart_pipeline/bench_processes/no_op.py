"""A platform whose tools do nothing and say that all is well.

Each stage starts one process, `true`, in the way in which every tool is started, and tells when it began and ended:
what lies between two of them is the pipeline's own work. The tools tell what their results depend on, so the search for
a result that could be reused is part of it. Checkout is the real one; there is no cluster, so nothing comes after
continuous integration.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from shopkart_pipeline.adapters._process import Command, run
from shopkart_pipeline.domain.declaration import Service, StageKind
from shopkart_pipeline.domain.evidence import Evidence, Tool, ToolRun
from shopkart_pipeline.domain.policy import MeasureRule
from shopkart_pipeline.ports.builder import ApplicationBuilder, BuiltImage, ImageBuilder, ImageRequest
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.registry import ImageRegistry
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest
from shopkart_pipeline.services.platform import Platform

_TOOL = Tool("no-op", "1")
_INPUTS = {"tool": "no-op 1"}
_SCANS = (
    StageKind.LINT,
    StageKind.UNIT_TESTS,
    StageKind.QUALITY,
    StageKind.SECRET_SCAN,
    StageKind.DEPENDENCY_SCAN,
    StageKind.IMAGE_SCAN,
)


def without_work(platform: Platform) -> Platform:
    """The same platform, its tools replaced by ones that do nothing."""
    tool = _NoOpTool(platform.clock)
    return replace(
        platform,
        scanners={kind: (_NoOpScanner(tool),) for kind in _SCANS},
        application_builder=_NoOpApplication(tool),
        image_builders=(_NoOpImage(tool),),
        registry=_NoOpRegistry(tool),
    )


class _NoOpTool:
    """Runs `true`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def run(self, folder: Path, log: Path) -> dict[str, str]:
        """When it began and ended, in seconds since the epoch."""
        began = self._clock.now().timestamp()
        run(Command(("true",), folder, 10.0, log=log))
        return {"began": repr(began), "ended": repr(self._clock.now().timestamp())}


class _NoOpScanner(Scanner):
    name = "no-op"

    def __init__(self, tool: _NoOpTool) -> None:
        self._tool = tool

    def unavailable(self) -> str | None:
        return None

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        return _INPUTS

    def scan(self, request: ScanRequest) -> ToolRun:
        facts = self._tool.run(request.scratch, request.log)
        measures = _at_their_limits(request.service, request.stage.name)
        return ToolRun(Evidence(_TOOL, "nothing was looked at", measures, facts=facts))


class _NoOpApplication(ApplicationBuilder):
    name = "no-op"

    def __init__(self, tool: _NoOpTool) -> None:
        self._tool = tool

    def inputs(self) -> Mapping[str, str] | None:
        return _INPUTS

    def install(self, service: Service, tree: Path, environment: Path, log: Path, timeout_seconds: float) -> ToolRun:
        return self._make(service, StageKind.DEPENDENCIES, environment, log)

    def build(
        self, service: Service, tree: Path, environment: Path, application: Path, log: Path, timeout_seconds: float
    ) -> ToolRun:
        return self._make(service, StageKind.APPLICATION, application, log)

    def _make(self, service: Service, stage: StageKind, folder: Path, log: Path) -> ToolRun:
        folder.mkdir(parents=True, exist_ok=True)
        measures = _at_their_limits(service, stage.value)
        return ToolRun(Evidence(_TOOL, "nothing was made", measures, facts=self._tool.run(folder, log)))


class _NoOpImage(ImageBuilder):
    name = "no-op"

    def __init__(self, tool: _NoOpTool) -> None:
        self._tool = tool

    def unavailable(self) -> str | None:
        return None

    def inputs(self, request: ImageRequest) -> Mapping[str, str] | None:
        return _INPUTS

    def build(self, request: ImageRequest) -> BuiltImage:
        request.layout.mkdir(parents=True, exist_ok=True)
        self._tool.run(request.layout, request.log)
        return BuiltImage(request.layout, _digest(request.layout.parent.name), 0, True, _TOOL)


class _NoOpRegistry(ImageRegistry):
    """Confirms the image of every release."""

    name = "no-op"

    def __init__(self, tool: _NoOpTool) -> None:
        self._tool = tool

    def push(self, layout: Path, repository: str, tag: str) -> str:
        self._tool.run(layout, layout.parent / "push.log")
        return _digest(tag)

    def resolve(self, repository: str, tag: str) -> str | None:
        return _digest(tag)

    def has(self, repository: str, digest: str) -> bool:
        return True

    def pull(self, repository: str, digest: str, layout: Path) -> None:
        layout.mkdir(parents=True, exist_ok=True)


def _at_their_limits(service: Service, stage: str) -> dict[str, float]:
    """Measures that every gate of a stage lets pass."""
    rules = [gate.rule for gate in service.gates if gate.stage == stage]
    return {rule.measure: rule.limit for rule in rules if isinstance(rule, MeasureRule)}


def _digest(release_key: str) -> str:
    return f"sha256:{hashlib.sha256(release_key.encode()).hexdigest()}"
