"""eslint as linter for JavaScript and TypeScript, by the flat configuration that the service's repository declares.

It is the service's own eslint where its environment holds one (`node_modules`), else the one in `PATH`. Every file is
checked by the configuration in its folder or the next one above it, within the service or in the repository's root;
files without any are named. eslint runs in a copy of the service's folders, with the packages that it is installed with
beside it, so that a configuration may import them and plugins are found.

What a configuration calls an error is a violation, and so is a file that can't be parsed; warnings are listed, but
count nowhere. What is suppressed where it stands is counted apart. A run that looked at no file is no evidence.

Measures: `violations`, `new_violations` (the base did not have them), `warnings`, `suppressed`, `files`.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from shopkart_pipeline.adapters._eslint_files import javascript_of
from shopkart_pipeline.adapters._eslint_report import EslintReport, parse
from shopkart_pipeline.adapters._findings import findings_of, fingerprints
from shopkart_pipeline.adapters._process import Command, Completed, find_executable, run
from shopkart_pipeline.adapters._report_limits import why
from shopkart_pipeline.adapters._service_copy import copy_service
from shopkart_pipeline.adapters._service_paths import is_below, roots_of
from shopkart_pipeline.adapters._tool_identity import identity_of
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, Severity, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest

_MODULES = "node_modules"
_INSTALLED = ".package-lock.json"
"""What npm writes into `node_modules` with every installation."""
_ABSENT = "eslint is not installed"
_NAMED = 5


class Eslint(Scanner):
    """Lints JavaScript and TypeScript."""

    name = "eslint"
    runs_code = True

    def unavailable(self) -> str | None:
        return None if find_executable("node") else "node is not installed, which eslint needs"

    def idle(self, request: ScanRequest) -> str | None:
        files = javascript_of(request.service.source, request.tree)
        if files.by_configuration:
            return None
        if files.unconfigured:
            return f"the service has no eslint.config.js for its JavaScript ({_names(files.unconfigured)})"
        return "the service's paths hold no JavaScript"

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        executable = _executable(request)
        modules = _modules(executable) if executable else None
        if modules is None or not (modules / _INSTALLED).is_file():
            return None
        return {**(identity_of(executable) or {}), **(identity_of(str(modules / _INSTALLED)) or {})}

    def scan(self, request: ScanRequest) -> ToolRun:
        executable = _executable(request)
        if executable is None:
            return ToolRun(EvidenceMissing(_ABSENT))
        tool = _tool(executable, request)
        if isinstance(tool, EvidenceMissing):
            return ToolRun(tool)
        looked = _look(executable, request, request.tree, "eslint")
        if isinstance(looked, EvidenceMissing):
            return ToolRun(EvidenceMissing(looked.reason, tool))
        known, notes = _known(executable, request) if looked.said else (frozenset[str](), ())
        findings = findings_of(looked.said, request.tree, known)
        counted = [finding for finding in findings if finding.severity >= Severity.MEDIUM]
        new = sum(finding.is_new for finding in counted)
        measures = {
            "violations": len(counted),
            "new_violations": new,
            "warnings": len(findings) - len(counted),
            "suppressed": looked.suppressed,
            "files": looked.files,
        }
        summary = f"{len(counted)} violations ({new} new) in {looked.files} files"
        notes = (*notes, *_notes(looked, javascript_of(request.service.source, request.tree).unconfigured))
        evidence = Evidence(tool, summary, {name: float(n) for name, n in measures.items()}, findings, notes=notes)
        return ToolRun(evidence, (RawReport("eslint.json", "application/json", looked.to_json()),))


def _notes(report: EslintReport, unconfigured: Sequence[str]) -> list[str]:
    notes: list[str] = []
    if report.suppressed:
        notes.append(f"{report.suppressed} violations are suppressed where they stand, and don't count.")
    if unconfigured:
        notes.append(f"No eslint.config.js is there for {len(unconfigured)} files: {_names(unconfigured)}.")
    return notes


def _names(paths: Sequence[str]) -> str:
    return ", ".join(paths[:_NAMED]) + (" and others" if len(paths) > _NAMED else "")


def _executable(request: ScanRequest) -> str | None:
    own = [request.environment / _MODULES / ".bin"] if request.environment else []
    return find_executable("eslint", *own)


def _modules(executable: str) -> Path | None:
    """The packages that eslint is installed with, if they lie together."""
    for path in (executable, os.path.realpath(executable)):
        found = next((folder for folder in Path(path).parents if folder.name == _MODULES), None)
        if found is not None:
            return found
    return None


def _tool(executable: str, request: ScanRequest) -> Tool | EvidenceMissing:
    done = _run(executable, ["--version"], request.scratch, request)
    if reason := done.failure("eslint"):
        return EvidenceMissing(reason)
    version = done.stdout.decode(errors="replace").strip().removeprefix("v")
    return Tool("eslint", version or "unknown", "the repository's own configuration")


def _known(executable: str, request: ScanRequest) -> tuple[frozenset[str], tuple[str, ...]]:
    """Fingerprints that the base had, and a note where it could not be looked at."""
    if request.base_tree is None:
        return frozenset(), ()
    looked = _look(executable, request, request.base_tree, "eslint-base")
    if isinstance(looked, EvidenceMissing):
        return frozenset(), (f"Everything counts as new: the base could not be linted ({looked.reason}).",)
    return fingerprints(findings_of(looked.said, request.base_tree)), ()


def _look(executable: str, request: ScanRequest, tree: Path, name: str) -> EslintReport | EvidenceMissing:
    """What eslint says about a tree."""
    source = request.service.source
    work = copy_service(source, tree, request.scratch.resolve() / name)
    modules = _modules(executable)
    if modules is not None and not (work / _MODULES).exists():
        (work / _MODULES).symlink_to(modules, target_is_directory=True)
    groups = javascript_of(source, work).by_configuration
    report = EslintReport()
    for folder, paths in groups.items():
        roots = [root for root in roots_of(source, work) if any(is_below(path, root) for path in paths)]
        targets = [os.path.relpath(root, folder) if is_below(root, folder) else "." for root in roots]
        deeper = [os.path.relpath(other, folder) for other in groups if other != folder and is_below(other, folder)]
        ignored = [word for other in deeper for word in ("--ignore-pattern", f"{other}/**")]
        part = _check(executable, [*ignored, "--", *targets], work / folder, work, request)
        if isinstance(part, EvidenceMissing):
            return part
        report += part
    if not report.files:
        return EvidenceMissing("eslint looked at no file: its configuration leaves all JavaScript out")
    return report


def _check(
    executable: str, arguments: Sequence[str], folder: Path, work: Path, request: ScanRequest
) -> EslintReport | EvidenceMissing:
    options = ["--format", "json", "--no-error-on-unmatched-pattern"]
    done = _run(executable, [*options, *arguments], folder, request)
    if reason := _failure(done):
        return EvidenceMissing(reason.replace(f"{work}/", ""))
    try:
        report = parse(done.stdout, work)
    except ValueError as error:
        return EvidenceMissing(f"eslint wrote an unreadable report: {why(error)}")
    if bool(report.errors) != (done.exit_code == 1):
        return EvidenceMissing(f"eslint ended with exit code {done.exit_code}, but reported {report.errors} errors")
    return report


def _failure(done: Completed) -> str | None:
    """Why eslint did not look. It says so in the line after its version, and follows up with where it was."""
    reason = done.failure("eslint", accepted=(0, 1))
    _, found, said = done.tail.partition("\nESLint: ")
    words = [line.strip() for line in said.splitlines()[1:] if line.strip()]
    return f"eslint ended with exit code {done.exit_code}: {words[0][:300]}" if reason and found and words else reason


def _run(executable: str, arguments: Sequence[str], folder: Path, request: ScanRequest) -> Completed:
    return run(
        Command(
            [executable, *arguments],
            folder,
            request.stage.timeout_seconds,
            variables={"HOME": str(request.scratch), "NO_COLOR": "1"},
            log=request.log,
            capture=True,
        )
    )
