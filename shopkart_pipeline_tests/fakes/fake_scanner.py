"""A scanner that says what it was told to say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest

FAKE_TOOL = Tool("fake", "1.0", "no rules")


@dataclass
class FakeScanner(Scanner):
    """Answers each request with `result` and remembers it."""

    name: str = "fake"
    result: Evidence | EvidenceMissing = field(default_factory=lambda: Evidence(FAKE_TOOL, "nothing found"))
    reason_unavailable: str | None = None
    raw: tuple[RawReport, ...] = ()
    requests: list[ScanRequest] = field(default_factory=list[ScanRequest])
    known: Mapping[str, str] | None = None
    """What it says that its results depend on."""
    meanwhile: Callable[[], object] = lambda: None
    """What happens while it looks."""

    def unavailable(self) -> str | None:
        return self.reason_unavailable

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        return self.known

    def scan(self, request: ScanRequest) -> ToolRun:
        self.requests.append(request)
        self.meanwhile()
        if self.reason_unavailable is not None:
            return ToolRun(EvidenceMissing(self.reason_unavailable))
        return ToolRun(self.result, self.raw)
