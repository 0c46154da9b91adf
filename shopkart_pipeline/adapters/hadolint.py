"""Hadolint over the Dockerfiles of a service, by the configuration in the service's folder or the repository's root.

Errors and warnings count as violations; what hadolint calls information or style is listed, but counts nowhere. A
service without a Dockerfile has nothing to lint: the evidence says so.

Measures: `violations`, `new_violations`, `dockerfiles`.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, TypeAdapter

from shopkart_pipeline.adapters._findings import Located, findings_of, fingerprints
from shopkart_pipeline.adapters._process import Command, Completed, find_executable, run
from shopkart_pipeline.adapters._report_limits import Many, why
from shopkart_pipeline.adapters._service_paths import files_of
from shopkart_pipeline.adapters._tool_identity import identity_of
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, Severity, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest

_DOCKERFILE = re.compile(r"(.+\.)?(Dockerfile|Containerfile)(\..+)?")
_SEVERITIES = {"error": Severity.HIGH, "warning": Severity.MEDIUM, "info": Severity.LOW, "style": Severity.INFO}
_CONFIGURATIONS = (".hadolint.yaml", ".hadolint.yml")
_IGNORED_CONFIGURATION = "Error parsing your config file"
_ABSENT = "hadolint is not installed"


class _Record(BaseModel):
    code: str
    level: Literal["error", "warning", "info", "style"]
    message: str
    file: str
    line: int


_REPORT = TypeAdapter(Many[_Record])


class Hadolint(Scanner):
    """Lints Dockerfiles."""

    name = "hadolint"

    def unavailable(self) -> str | None:
        return None if _executable() else _ABSENT

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        return identity_of(_executable())

    def scan(self, request: ScanRequest) -> ToolRun:
        executable = _executable()
        if executable is None:
            return ToolRun(EvidenceMissing(_ABSENT))
        tool = _tool(executable, request)
        files = _dockerfiles(request, request.tree)
        looked = _look(executable, request, request.tree, files)
        if isinstance(looked, EvidenceMissing):
            return ToolRun(EvidenceMissing(looked.reason, tool))
        said, raw = looked
        known, notes = _known(executable, request) if said else (frozenset[str](), ())
        findings = findings_of(said, request.tree, known)
        counted = [finding for finding in findings if finding.severity >= Severity.MEDIUM]
        new = sum(finding.is_new for finding in counted)
        if not files:
            notes = (*notes, "The service has no Dockerfile.")
        measures = {"violations": len(counted), "new_violations": new, "dockerfiles": len(files)}
        summary = f"{len(counted)} violations ({new} new) in {len(files)} Dockerfiles"
        evidence = Evidence(tool, summary, {name: float(n) for name, n in measures.items()}, findings, notes=notes)
        return ToolRun(evidence, (RawReport("hadolint.json", "application/json", raw),))


def parse(report: bytes) -> tuple[Located, ...]:
    """Read `hadolint --format json`.

    Raises:
        ValueError: the report is not what hadolint writes.
    """
    return tuple(_located(record) for record in _REPORT.validate_json(report))


def _located(record: _Record) -> Located:
    return Located(
        rule=record.code,
        severity=_SEVERITIES[record.level],
        message=record.message,
        path=PurePosixPath(record.file).as_posix(),
        line=record.line,
        link=f"https://github.com/hadolint/hadolint/wiki/{record.code}" if record.code.startswith("DL") else None,
    )


def _executable() -> str | None:
    return find_executable("hadolint", Path(sys.executable).parent)


def _tool(executable: str, request: ScanRequest) -> Tool:
    done = _run(executable, ["--version"], request.tree, request)
    words = done.stdout.decode(errors="replace").split()
    return Tool("hadolint", words[-1] if words else "unknown", "the repository's own configuration")


def _dockerfiles(request: ScanRequest, tree: Path) -> tuple[str, ...]:
    return tuple(files_of(request.service.source, tree, lambda name: _DOCKERFILE.fullmatch(name) is not None))


def _known(executable: str, request: ScanRequest) -> tuple[frozenset[str], tuple[str, ...]]:
    if request.base_tree is None:
        return frozenset(), ()
    looked = _look(executable, request, request.base_tree, _dockerfiles(request, request.base_tree))
    if isinstance(looked, EvidenceMissing):
        return frozenset(), (f"Everything counts as new: the base could not be linted ({looked.reason}).",)
    return fingerprints(findings_of(looked[0], request.base_tree)), ()


def _look(
    executable: str, request: ScanRequest, tree: Path, files: Sequence[str]
) -> tuple[tuple[Located, ...], bytes] | EvidenceMissing:
    if not files:
        return (), b"[]"
    arguments = ["--no-color", "--format", "json", *_configuration(request, tree), "--", *files]
    done = _run(executable, arguments, tree, request)
    if reason := done.failure("hadolint", accepted=(0, 1)):
        return EvidenceMissing(reason)
    if _IGNORED_CONFIGURATION in done.tail:
        return EvidenceMissing("hadolint can't read its configuration, and would go on without it")
    try:
        said = parse(done.stdout)
    except ValueError as error:
        return EvidenceMissing(f"hadolint wrote an unreadable report ({why(error)}): {done.tail.strip()[:200]}")
    if done.exit_code == 1 and not said:
        return EvidenceMissing("hadolint ended with exit code 1, but reported nothing")
    return said, done.stdout


def _configuration(request: ScanRequest, tree: Path) -> list[str]:
    for folder in (tree / request.service.source.path, tree):
        for name in _CONFIGURATIONS:
            if (folder / name).is_file():
                return ["--config", str(folder / name)]
    return []


def _run(executable: str, arguments: Sequence[str], folder: Path, request: ScanRequest) -> Completed:
    home = str(request.scratch)
    return run(
        Command(
            [executable, *arguments],
            folder,
            request.stage.timeout_seconds,
            variables={"HOME": home, "XDG_CONFIG_HOME": home},
            log=request.log,
            capture=True,
        )
    )
