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
from shopkart_pipeline.ports.builder import ApplicationBuilder, BuiltImage, ImageBuilder, ImageRequest
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.inbox import Inbox
from shopkart_pipeline.ports.registry import ImageRegistry
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest
from shopkart_pipeline.services.accept_release import PHASE_PASSED
from shopkart_pipeline.services.platform import Platform

_TOOL = Tool("no-op", "1")
_INPUTS = {"tool": "no-op 1"}
_MEASURES = {
    "failed": 0.0,
    "tests": 1.0,
    "packages": 1.0,
    "new_lines": 0.0,
    "new_violations": 0.0,
    "new_coverage_percent": 100.0,
    "new_duplicated_lines_percent": 0.0,
    "new_security_hotspots_reviewed_percent": 100.0,
}
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


def end_with_ci(inbox: Inbox, clock: Clock) -> None:
    """Close the deliveries by which continuous integration asks for the next phase."""
    for delivery in inbox.pending():
        if delivery.event == PHASE_PASSED:
            inbox.done(delivery.id, "the bench ends here", clock.now())


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
        return ToolRun(Evidence(_TOOL, "nothing was looked at", _MEASURES, facts=facts))


class _NoOpApplication(ApplicationBuilder):
    name = "no-op"

    def __init__(self, tool: _NoOpTool) -> None:
        self._tool = tool

    def inputs(self) -> Mapping[str, str] | None:
        return _INPUTS

    def install(self, service: Service, tree: Path, environment: Path, log: Path, timeout_seconds: float) -> ToolRun:
        return self._make(environment, log)

    def build(
        self, service: Service, tree: Path, environment: Path, application: Path, log: Path, timeout_seconds: float
    ) -> ToolRun:
        return self._make(application, log)

    def _make(self, folder: Path, log: Path) -> ToolRun:
        folder.mkdir(parents=True, exist_ok=True)
        return ToolRun(Evidence(_TOOL, "nothing was made", _MEASURES, facts=self._tool.run(folder, log)))


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


def _digest(release_key: str) -> str:
    return f"sha256:{hashlib.sha256(release_key.encode()).hexdigest()}"
