"""A scanner that says what it was told to say."""

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

    def unavailable(self) -> str | None:
        return self.reason_unavailable

    def scan(self, request: ScanRequest) -> ToolRun:
        self.requests.append(request)
        if self.reason_unavailable is not None:
            return ToolRun(EvidenceMissing(self.reason_unavailable))
        return ToolRun(self.result, self.raw)
