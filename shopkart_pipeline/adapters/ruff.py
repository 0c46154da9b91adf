"""Ruff as linter, by the rules that the service's repository declares.

Every folder of the service is checked by the configuration that lies in it or above it in the repository; one without
any is checked by ruff's own defaults, never by a configuration that happens to lie around the exported tree. A run that
looked at no file is no evidence.

Measures: `violations`, `new_violations` (the base did not have them), `files`.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from shopkart_pipeline.adapters import _ruff_check as ruff
from shopkart_pipeline.adapters._findings import Located, findings_of, fingerprints
from shopkart_pipeline.adapters._service_paths import files_of, roots_of
from shopkart_pipeline.adapters._tool_identity import identity_of
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest


class Ruff(Scanner):
    """Lints Python."""

    name = "ruff"

    def unavailable(self) -> str | None:
        return None if ruff.ruff_executable() else "ruff is not installed"

    def idle(self, request: ScanRequest) -> str | None:
        found = any(True for _ in files_of(request.service.source, request.tree, ruff.is_checked))
        return None if found else "the service's paths hold no Python"

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        return identity_of(ruff.ruff_executable())

    def scan(self, request: ScanRequest) -> ToolRun:
        executable = ruff.ruff_executable()
        if executable is None:
            return ToolRun(EvidenceMissing("ruff is not installed"))
        tool = ruff.ruff_tool(executable, request, "the repository's own configuration")
        looked = _look(executable, request.tree, request)
        if isinstance(looked, EvidenceMissing):
            return ToolRun(EvidenceMissing(looked.reason, tool))
        said, files, raw = looked
        known, notes = _known(executable, request) if said else (frozenset[str](), ())
        findings = findings_of(said, request.tree, known)
        new = sum(finding.is_new for finding in findings)
        measures = {"violations": float(len(findings)), "new_violations": float(new), "files": float(files)}
        summary = f"{len(findings)} violations ({new} new) in {files} files"
        return ToolRun(Evidence(tool, summary, measures, findings, notes=notes), raw)


def _known(executable: str, request: ScanRequest) -> tuple[frozenset[str], tuple[str, ...]]:
    """Fingerprints that the base had, and a note where it could not be looked at."""
    if request.base_tree is None:
        return frozenset(), ()
    looked = _look(executable, request.base_tree, request)
    if isinstance(looked, EvidenceMissing):
        return frozenset(), (f"Everything counts as new: the base could not be linted ({looked.reason}).",)
    return fingerprints(findings_of(looked[0], request.base_tree)), ()


def _look(
    executable: str, tree: Path, request: ScanRequest
) -> tuple[list[Located], int, tuple[RawReport, ...]] | EvidenceMissing:
    """What ruff says, how many files it looked at, and its reports."""
    said: list[Located] = []
    raw: list[RawReport] = []
    files = 0
    for options, paths in _by_configuration(request, tree).items():
        listed = ruff.checked_files(executable, tree, paths, options, request)
        report = ruff.check(executable, tree, paths, options, request)
        if isinstance(listed, EvidenceMissing):
            return listed
        if isinstance(report, EvidenceMissing):
            return report
        files += len(listed)
        said += report.said
        raw.append(RawReport("ruff-defaults.json" if options else "ruff.json", "application/json", report.raw))
    if not files:
        return EvidenceMissing("ruff looked at no file: the service's paths hold no Python")
    return said, files, tuple(raw)


def _by_configuration(request: ScanRequest, tree: Path) -> Mapping[tuple[str, ...], list[str]]:
    """The service's folders by the options that they are checked with."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for root in roots_of(request.service.source, tree):
        configured = any(_is_configured(folder) for folder in _up_to(tree, tree / root))
        groups.setdefault(() if configured else ("--isolated",), []).append(root)
    return groups


def _up_to(tree: Path, folder: Path) -> list[Path]:
    return [folder, *(parent for parent in folder.parents if parent == tree or tree in parent.parents)]


def _is_configured(folder: Path) -> bool:
    if (folder / "ruff.toml").is_file() or (folder / ".ruff.toml").is_file():
        return True
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return "ruff" in project.get("tool", {})
