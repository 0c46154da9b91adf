"""Secrets found by gitleaks, in the tree and in the commits of a release.

Gitleaks gets the files of the tree and of the commits in a folder of their own, so that it looks at the same places
as the embedded search, whatever source control they come from. It masks secrets in its report; what could tell about
them anyway is not kept. Rules come from `.gitleaks.toml` in the repository's root where there is one.

Measures: `secrets`, `commits_scanned`, `files_scanned`, `files_skipped`.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter

from shopkart_pipeline.adapters._process import Command, find_executable, run
from shopkart_pipeline.adapters._secret_findings import Leak, findings_of, report_of
from shopkart_pipeline.adapters._secret_scope import Place, SecretNames, SecretScope
from shopkart_pipeline.adapters._tool_identity import identity_of
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest
from shopkart_pipeline.ports.scm import SourceControl

_LEAKS_EXIT_CODE = 42
"""Told apart from gitleaks' own failures, which end with 1."""
_ABSENT = "gitleaks is not installed"


class ReportedLeak(BaseModel):
    """One entry of a report in JSON; the masked secret and its surroundings are not read."""

    rule: str = Field(alias="RuleID")
    description: str = Field(alias="Description")
    file: str = Field(alias="File")
    line: int = Field(alias="StartLine")


_REPORT = TypeAdapter(list[ReportedLeak])


def parse(report: bytes) -> list[ReportedLeak]:
    """Read a report.

    Raises:
        ValueError: it is not a report of gitleaks.
    """
    return _REPORT.validate_json(report)


class Gitleaks(Scanner):
    """Searches with gitleaks."""

    name = "gitleaks"

    def __init__(self, scm: SourceControl, key_file: Path) -> None:
        """
        Args:
            scm: gives the files of the commits.
            key_file: key of this installation, for naming secrets in fingerprints; made where there is none.
        """
        self._scm = scm
        self._names = SecretNames(key_file)

    def unavailable(self) -> str | None:
        return None if _executable() else _ABSENT

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        return identity_of(_executable())

    def scan(self, request: ScanRequest) -> ToolRun:
        executable = _executable()
        if executable is None:
            return ToolRun(EvidenceMissing(_ABSENT))
        tool = Tool("gitleaks", _version(executable, request), _rules(request))
        scope = SecretScope(self._scm, request)
        try:
            places = _written_out(scope, request.scratch / "places")
            reported = _search(executable, request)
            if isinstance(reported, EvidenceMissing):
                return ToolRun(EvidenceMissing(reported.reason, tool))
            leaks = [self._leak(leak, places[leak.file]) for leak in reported]
        except PipelineError as error:
            return ToolRun(EvidenceMissing(f"the commits can't be searched: {error.what}", tool))
        except (OSError, KeyError) as error:
            return ToolRun(EvidenceMissing(f"gitleaks can't be given the files, or names others: {error!r}", tool))
        if not scope.files:
            return ToolRun(EvidenceMissing("gitleaks looked at no file", tool))
        findings = findings_of(leaks)
        measures = {"secrets": float(len(findings)), **scope.measures}
        summary = f"{len(findings)} secrets in {scope.files} files and {scope.commits} commits"
        return ToolRun(Evidence(tool, summary, measures, findings, notes=scope.all_notes), (report_of(findings),))

    def _leak(self, leak: ReportedLeak, place: Place) -> Leak:
        """The masked report does not say which secret it is: its line stands for it."""
        lines = place.content.decode("utf-8", "replace").split("\n")
        text = lines[leak.line - 1].strip() if 0 < leak.line <= len(lines) else ""
        return Leak(leak.rule, leak.description, place, leak.line, self._names.name(text))


def _executable() -> str | None:
    return find_executable("gitleaks", Path(sys.executable).parent)


def _version(executable: str, request: ScanRequest) -> str:
    done = run(Command([executable, "version"], request.scratch, 30.0, capture=True))
    found = re.search(rb"\d+(?:\.\d+)+", done.stdout)
    return found.group().decode() if found else "unknown"


def _rules(request: ScanRequest) -> str:
    return ".gitleaks.toml of the repository" if (request.tree / ".gitleaks.toml").is_file() else "gitleaks' own rules"


def _written_out(scope: SecretScope, folder: Path) -> dict[str, Place]:
    """Writes every place to a file, numbered so that no name of the repository leads anywhere; by that file's name."""
    folder.mkdir(parents=True)
    places: dict[str, Place] = {}
    for number, place in enumerate(scope.places()):
        name = f"{number}/{Path(place.path).name}"
        file = folder / name
        file.parent.mkdir()
        file.write_bytes(place.content)
        places[name] = place
    return places


def _search(executable: str, request: ScanRequest) -> list[ReportedLeak] | EvidenceMissing:
    report = request.scratch / "gitleaks.json"
    own_rules = request.tree / ".gitleaks.toml"
    options = ["--config", str(own_rules)] if own_rules.is_file() else []
    done = run(
        Command(
            [
                *(executable, "detect", "--no-git", "--source", ".", "--redact", "--no-banner", *options),
                *("--report-format", "json", "--report-path", str(report), "--exit-code", str(_LEAKS_EXIT_CODE)),
            ],
            request.scratch / "places",
            request.stage.timeout_seconds,
            variables={"HOME": str(request.scratch)},
            log=request.log,
        )
    )
    if reason := done.failure("gitleaks", accepted=(0, _LEAKS_EXIT_CODE)):
        return EvidenceMissing(reason)
    try:
        leaks = parse(report.read_bytes())
    except (OSError, ValueError) as error:
        return EvidenceMissing(f"gitleaks left no readable report: {type(error).__name__}")
    if bool(leaks) != (done.exit_code == _LEAKS_EXIT_CODE):
        return EvidenceMissing(f"gitleaks ended with exit code {done.exit_code}, but reported {len(leaks)} secrets")
    return leaks
