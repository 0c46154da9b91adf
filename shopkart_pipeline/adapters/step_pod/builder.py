"""Environments and applications that are made in a pod of their own.

What was made comes back as files, and is looked at here: as soon as it lies at its place the builder itself tells what
is in it, because what is there is complete and kept. Nothing is believed of what the pod says but why it failed.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from shopkart_pipeline.adapters._staging import staging
from shopkart_pipeline.adapters.step_pod.documents import Act, Order
from shopkart_pipeline.adapters.step_pod.errand import Errands
from shopkart_pipeline.adapters.step_pod.scanner import ENVIRONMENT, TREE
from shopkart_pipeline.domain.component import Component, PackageVersion
from shopkart_pipeline.domain.declaration import Service, Stage
from shopkart_pipeline.domain.evidence import EvidenceMissing, ToolRun
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.builder import ApplicationBuilder


class BuilderInPod(ApplicationBuilder):
    """Has another pod install and build, for one stage of one release."""

    def __init__(self, inner: ApplicationBuilder, errands: Errands, release: Release, stage: Stage) -> None:
        self._inner, self._errands = inner, errands
        self._release, self._stage = release, stage
        self.name = inner.name

    def inputs(self) -> Mapping[str, str] | None:
        return self._inner.inputs()

    def locked(self, service: Service, read: Callable[[str], bytes | None]) -> Mapping[PackageVersion, Component]:
        return self._inner.locked(service, read)

    def install(self, service: Service, tree: Path, environment: Path, log: Path, timeout_seconds: float) -> ToolRun:
        if not environment.exists():
            failed = self._made(Act.INSTALL, {TREE: tree}, environment, environment, log, timeout_seconds)
            if failed is not None:
                return ToolRun(failed)
        return self._inner.install(service, tree, environment, log, timeout_seconds)

    def build(
        self,
        service: Service,
        tree: Path,
        environment: Path,
        application: Path,
        log: Path,
        timeout_seconds: float,
    ) -> ToolRun:
        if not application.exists():
            parts = {TREE: tree, **({ENVIRONMENT: environment} if environment.exists() else {})}
            failed = self._made(Act.BUILD, parts, environment, application, log, timeout_seconds)
            if failed is not None:
                return ToolRun(failed)
        return self._inner.build(service, tree, environment, application, log, timeout_seconds)

    def _made(
        self,
        act: Act,
        parts: Mapping[str, Path],
        environment: Path,
        target: Path,
        log: Path,
        timeout_seconds: float,
    ) -> EvidenceMissing | None:
        """Have it made and put in its place; why that failed, or None."""
        release = self._release
        order = Order(act, self.name, release.service, self._stage.name, release, environment.name)
        with staging(target) as folder:
            brought = self._errands.send(order, parts, log, timeout_seconds, folder / "made")
            if isinstance(brought, EvidenceMissing):
                return brought
            if isinstance(brought.result.result, EvidenceMissing):
                return brought.result.result
            if not (folder / "made").is_dir():
                return EvidenceMissing("the stage's pod ended well and brought nothing that it made")
            try:
                (folder / "made").rename(target)
            except OSError:
                # Whoever came first with the same content has done it already.
                if not target.is_dir():
                    raise
        return None
