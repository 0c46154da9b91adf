"""A SonarQube server, through its scanner and its Web API: 9.9 LTA, 10.x, 2025.x, and the Community Build.

The scanner hands a report in, the server's compute engine judges it, and what it came to is read from the server:
the quality gate of this very analysis, measures on new code under the names of the embedded analysis
(`_sonarqube_measures` has the table), open issues and unreviewed hotspots. Measures and issues are those of the latest
analysis, so another analysis that came in between leaves no evidence. A server that found no code has judged nothing.

Options of the stage are those of `_sonarqube_access`; the stage's timeout is for all of it.

Measures: those of the table, `quality_gate_ok` (1 or 0), `lines_of_code`. Facts: `quality_gate`, `dashboard`,
`analysis`, `new_code` (since when the server calls code new).
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from shopkart_pipeline.adapters._sonarqube_access import Access, Project, project_of
from shopkart_pipeline.adapters._sonarqube_answers import Analysis, MeasuresAnswer
from shopkart_pipeline.adapters._sonarqube_api import WebApi
from shopkart_pipeline.adapters._sonarqube_findings import findings_of_hotspots, findings_of_issues
from shopkart_pipeline.adapters._sonarqube_hints import Hints
from shopkart_pipeline.adapters._sonarqube_measures import Measured, judged, measured
from shopkart_pipeline.adapters._sonarqube_scanner import Submitted, scanner_program, submit
from shopkart_pipeline.adapters._sonarqube_task import analysis_of
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, RawReport, Tool, ToolRun
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest

_NO_SCANNER = "no SonarQube scanner is installed (sonar-scanner, pysonar or @sonar/scan)"


class SonarQube(Scanner):
    """Lets a SonarQube server judge new code."""

    name = "sonarqube"

    def __init__(
        self,
        access: Access,
        hints: Hints,
        cache: Path,
        clock: Clock,
        folders: Sequence[Path] = (Path(sys.executable).parent,),
    ) -> None:
        """
        Args:
            access: the token.
            hints: what the webhook leaves.
            cache: folder for what the scanner downloads from the server.
            clock: for the deadline and the pauses.
            folders: where a scanner is looked for before `PATH`.
        """
        self._access = access
        self._hints = hints
        self._cache = cache
        self._clock = clock
        self._folders = folders

    def unavailable(self) -> str | None:
        return self._access.missing() or (None if scanner_program(self._folders) else _NO_SCANNER)

    def scan(self, request: ScanRequest) -> ToolRun:
        program = scanner_program(self._folders)
        if reason := self._access.refusal(request):
            return ToolRun(EvidenceMissing(reason))
        if program is None:
            return ToolRun(EvidenceMissing(_NO_SCANNER))
        project = project_of(request)
        if isinstance(project, EvidenceMissing):
            return ToolRun(project)
        return self._judge(program, project, request)

    def _judge(self, program: str, project: Project, request: ScanRequest) -> ToolRun:
        timeout_seconds = request.stage.timeout_seconds
        deadline = self._clock.now() + timedelta(seconds=timeout_seconds)
        tool = Tool(self.name, "unknown")
        self._hints.sweep(self._clock.now())
        try:
            with WebApi(project, self._access, self._clock, deadline) as api:
                tool = Tool(self.name, api.version())
                submitted = submit(program, project, self._access, request, self._cache, timeout_seconds)
                if isinstance(submitted, EvidenceMissing):
                    return ToolRun(EvidenceMissing(submitted.reason, tool))
                analysis_id = analysis_of(api, submitted.task_id, self._hints, self._clock, deadline)
                if isinstance(analysis_id, EvidenceMissing):
                    return ToolRun(EvidenceMissing(analysis_id.reason, tool))
                return _read(api, tool, analysis_id, submitted, request)
        except PipelineError as error:
            reason = self._access.redacted_text(f"{error.what} {error.fix}")
            return ToolRun(EvidenceMissing(reason, tool))


def _read(api: WebApi, tool: Tool, analysis_id: str, submitted: Submitted, request: ScanRequest) -> ToolRun:
    """What the server says after the analysis."""
    gate, raw_gate = api.gate(analysis_id)
    answer, raw_measures = api.measures()
    raw = (
        RawReport("quality-gate.json", "application/json", raw_gate),
        RawReport("measures.json", "application/json", raw_measures),
    )
    try:
        lines_of_code = answer.value("ncloc", new=False)
        found = measured(answer, coverage_imported=submitted.coverage_imported)
    except ValueError:
        return ToolRun(EvidenceMissing("SonarQube gives a measure that is no number", tool), raw)
    tool = replace(tool, rules=_rules(api, answer))
    if not lines_of_code:
        return ToolRun(EvidenceMissing("SonarQube found no code in the service's folders", tool), raw)
    judged(gate, found)
    findings = _findings(api, found)
    analyses = api.analyses()
    if not analyses or analyses[0].key != analysis_id:
        reason = "another analysis of the project came in between, and measures are those of the latest: run it again"
        return ToolRun(EvidenceMissing(reason, tool), raw)
    found.notes += submitted.notes if found.all_is_new else [*submitted.notes, *_begin(answer, analyses, request)]
    facts = {
        "quality_gate": gate.status,
        "dashboard": submitted.dashboard,
        "analysis": analysis_id,
        "new_code": "all" if found.all_is_new else plain(str(answer.period)),
    }
    measures = {**found.values, "lines_of_code": lines_of_code}
    new = found.values.get("new_violations")
    summary = f"quality gate {gate.status}; {'unknown' if new is None else f'{new:g}'} new violations"
    return ToolRun(Evidence(tool, summary, measures, findings, facts, tuple(found.notes)), raw)


def _rules(api: WebApi, answer: MeasuresAnswer) -> str:
    """Names of the quality gate, and of the quality profiles for the languages that were found."""
    languages = {pair.partition("=")[0] for pair in (answer.text("ncloc_language_distribution") or "").split(";")}
    profiles = [
        f"{one.language} {one.name}" + (f" of {one.rulesUpdatedAt}" if one.rulesUpdatedAt else "")
        for one in api.profiles()
        if one.language in languages
    ]
    return f"quality gate {api.gate_name()}; quality profiles {', '.join(sorted(profiles)) or 'none'}"


def _findings(api: WebApi, found: Measured) -> tuple[Finding, ...]:
    everything = api.issues(new=False)
    fresh = everything if found.all_is_new else api.issues(new=True)
    hotspots = api.hotspots(new=not found.all_is_new)
    for name, listed in (("issues", everything), ("new issues", fresh), ("new security hotspots", hotspots)):
        if listed.total > len(listed.items):
            found.notes.append(f"Of {listed.total} {name} {len(listed.items)} are listed: the server tells no more.")
    # Both lists may be cut off: what is new is in the findings in any case.
    issues = [*fresh.items, *everything.items]
    new = {issue.key for issue in fresh.items}
    return (
        *findings_of_issues(issues, new, api.project),
        *findings_of_hotspots(hotspots.items, api.project),
    )


def _begin(answer: MeasuresAnswer, analyses: Sequence[Analysis], request: ScanRequest) -> tuple[str, ...]:
    """A note where new code begins elsewhere than at the commit that this release is measured against."""
    date = answer.period.date if answer.period else None
    begin = next((one.revision for one in analyses if one.date == date and one.revision), None)
    if begin is None or begin == request.base_commit:
        return ()
    base = request.base_commit[:12] if request.base_commit else "nothing"
    return (f"SonarQube calls new what came after {begin[:12]}, while this release is measured against {base}.",)
