"""A tool that looks at a release in a pod of its own.

Whether it can, and what its result depends on, the run says itself: it has the same image. Of what comes back it takes
measures, findings and words; who the tool is it says itself, too, as far as it can.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from shopkart_pipeline.adapters.step_pod._history import history_of
from shopkart_pipeline.adapters.step_pod.documents import Act, Order
from shopkart_pipeline.adapters.step_pod.errand import HOW, Brought, Errands
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest
from shopkart_pipeline.ports.scm import SourceControl

TREE, BASE, ENVIRONMENT, EARLIER = "tree", "base", "environment", "earlier"


class ScannerInPod(Scanner):
    """Has another pod run a scanner."""

    def __init__(self, inner: Scanner, errands: Errands, scm: SourceControl) -> None:
        """
        Args:
            inner: the tool; it is found in the pod by its name and the kind of the stage.
            errands: how steps are done elsewhere.
            scm: tells what the pod, which has no repository, may be asked for.
        """
        self._inner, self._errands, self._scm = inner, errands, scm
        self.name = inner.name
        self.runs_code = inner.runs_code

    def unavailable(self) -> str | None:
        return self._inner.unavailable()

    def idle(self, request: ScanRequest) -> str | None:
        return self._inner.idle(request)

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        return self._inner.inputs(request)

    def scan(self, request: ScanRequest) -> ToolRun:
        brought = self._errands.send(self._order(request), _parts(request), request.log, request.stage.timeout_seconds)
        if isinstance(brought, EvidenceMissing):
            return ToolRun(brought)
        return ToolRun(self._believed(request, brought), brought.raw)

    def _order(self, request: ScanRequest) -> Order:
        return Order(
            act=Act.SCAN,
            tool=self.name,
            service=request.service.name,
            stage=request.stage.name,
            release=request.release,
            environment=None if request.environment is None else request.environment.name,
            base_commit=request.base_commit,
            image_digest=request.image_digest,
            url=request.url,
            variables=request.variables,
            reports=tuple(sorted(request.reports)),
            history=history_of(self._scm, request),
        )

    def _believed(self, request: ScanRequest, brought: Brought) -> Evidence | EvidenceMissing:
        result = brought.result.result
        known = self._inner.tool_of(request)
        if known is not None:
            result = replace(result, tool=known)
        elif result.tool is not None and not _is_named_by(result.tool.name, self.name):
            return EvidenceMissing(f"the stage's pod ran {result.tool.name[:60]!r}, where {self.name} was to be run")
        if isinstance(result, EvidenceMissing):
            return result
        return replace(result, notes=(*result.notes, f"{HOW[0].upper()}{HOW[1:]}."))


def _is_named_by(tool: str, scanner: str) -> bool:
    """Whether a tool is one of those that a scanner is made of."""
    return set(tool.split("+")) <= set(scanner.split("+"))


def _parts(request: ScanRequest) -> dict[str, Path]:
    """The image stays: what looks into it runs none of its code, and works here."""
    named = {TREE: request.tree, BASE: request.base_tree, ENVIRONMENT: request.environment}
    parts = {name: path for name, path in named.items() if path is not None and path.exists()}
    reports = {f"{EARLIER}-{number}": request.reports[name] for number, name in enumerate(sorted(request.reports))}
    return parts | reports
