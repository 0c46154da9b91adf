"""Several tools as one, for a stage that needs them all: Python, JavaScript and Dockerfiles are linted in one stage.

If one of them leaves no evidence, there is none. Tools for languages are asked only where the service holds something
for them, and one of them has to be: a stage that looked at no code is no evidence. Measures of the same name are added
up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest


class Combined(Scanner):
    """Runs its tools one after the other."""

    def __init__(self, scanners: Sequence[Scanner], any_of: Sequence[Scanner] = ()) -> None:
        """
        Args:
            scanners: every one is asked.
            any_of: each is asked that is not idle; if all are, there is no evidence.

        The names of all, joined by `+`, are the name of the whole.
        """
        self._scanners, self._any_of = tuple(scanners), tuple(any_of)
        self.name = "+".join(scanner.name for scanner in (*self._any_of, *self._scanners))
        self.runs_code = any(scanner.runs_code for scanner in (*self._any_of, *self._scanners))

    def unavailable(self) -> str | None:
        """A tool of `any_of` that is absent says so in the services that it is needed for."""
        needed = [scanner.unavailable() for scanner in self._scanners]
        either = [scanner.unavailable() for scanner in self._any_of]
        return next((reason for reason in [*needed, *(either if all(either) else ())] if reason), None)

    def idle(self, request: ScanRequest) -> str | None:
        reasons = [scanner.idle(request) for scanner in self._any_of]
        return "; ".join(reason for reason in reasons if reason) if reasons and all(reasons) else None

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        parts = [scanner.inputs(request) for scanner in self._asked(request)]
        known = [part for part in parts if part is not None]
        return {name: value for part in known for name, value in part.items()} if len(known) == len(parts) else None

    def scan(self, request: ScanRequest) -> ToolRun:
        if idle := self.idle(request):
            return ToolRun(EvidenceMissing(f"nothing was looked at: {idle}"))
        runs = [scanner.scan(request) for scanner in self._asked(request)]
        raw = tuple(report for run in runs for report in run.raw)
        for run in runs:
            if isinstance(run.result, EvidenceMissing):
                return ToolRun(run.result, raw)
        merged = _merged([run.result for run in runs if isinstance(run.result, Evidence)])
        notes = [f"{name} was not asked: {reason}." for name, reason in self._idle(request).items()]
        return ToolRun(replace(merged, notes=(*merged.notes, *notes)), raw)

    def _asked(self, request: ScanRequest) -> list[Scanner]:
        idle = self._idle(request)
        return [*(scanner for scanner in self._any_of if scanner.name not in idle), *self._scanners]

    def _idle(self, request: ScanRequest) -> dict[str, str]:
        return {scanner.name: reason for scanner in self._any_of if (reason := scanner.idle(request))}


def _merged(parts: Sequence[Evidence]) -> Evidence:
    measures: dict[str, float] = {}
    for part in parts:
        for measure, value in part.measures.items():
            measures[measure] = measures.get(measure, 0.0) + value
    return Evidence(
        tool=Tool(
            "+".join(part.tool.name for part in parts),
            ", ".join(f"{part.tool.name} {part.tool.version}" for part in parts),
            "; ".join(part.tool.rules for part in parts if part.tool.rules),
        ),
        summary="; ".join(f"{part.tool.name}: {part.summary}" for part in parts),
        measures=measures,
        findings=tuple(finding for part in parts for finding in part.findings),
        facts={fact: value for part in parts for fact, value in part.facts.items()},
        notes=tuple(note for part in parts for note in part.notes),
    )
