"""Several tools as one, for a stage that needs them all: Python and Dockerfiles are linted in one stage.

If one of them leaves no evidence, there is none. Measures of the same name are added up.
"""

from collections.abc import Mapping, Sequence

from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest


class Combined(Scanner):
    """Runs its tools one after the other."""

    def __init__(self, scanners: Sequence[Scanner]) -> None:
        """
        Args:
            scanners: at least one; their names joined by `+` are the name of the whole.
        """
        self._scanners = tuple(scanners)
        self.name = "+".join(scanner.name for scanner in self._scanners)

    def unavailable(self) -> str | None:
        return next((reason for scanner in self._scanners if (reason := scanner.unavailable())), None)

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        parts = [scanner.inputs(request) for scanner in self._scanners]
        known = [part for part in parts if part is not None]
        return {name: value for part in known for name, value in part.items()} if len(known) == len(parts) else None

    def scan(self, request: ScanRequest) -> ToolRun:
        runs = [scanner.scan(request) for scanner in self._scanners]
        raw = tuple(report for run in runs for report in run.raw)
        for run in runs:
            if isinstance(run.result, EvidenceMissing):
                return ToolRun(run.result, raw)
        return ToolRun(_merged(self.name, [run.result for run in runs if isinstance(run.result, Evidence)]), raw)


def _merged(name: str, parts: Sequence[Evidence]) -> Evidence:
    measures: dict[str, float] = {}
    for part in parts:
        for measure, value in part.measures.items():
            measures[measure] = measures.get(measure, 0.0) + value
    return Evidence(
        tool=Tool(
            name,
            ", ".join(f"{part.tool.name} {part.tool.version}" for part in parts),
            "; ".join(part.tool.rules for part in parts if part.tool.rules),
        ),
        summary="; ".join(f"{part.tool.name}: {part.summary}" for part in parts),
        measures=measures,
        findings=tuple(finding for part in parts for finding in part.findings),
        facts={fact: value for part in parts for fact, value in part.facts.items()},
        notes=tuple(note for part in parts for note in part.notes),
    )
