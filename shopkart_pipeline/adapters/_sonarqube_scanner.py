"""The scanner's run: what it is given to look at, what it is told, and what it says that it has handed in.

It looks at a private copy of the service's folders, and finds none of the files there that scanners take settings
from: such a file could send the token to another server, or name a program that gets it. What the repository says
about its own analysis has no say, as in the embedded analysis; settings of a project are made on the server. The
address and the project stand on the command line, where nothing overrides them; the token stands in the environment
alone. Only a scanner beside this interpreter or in `PATH` is run, never one that the service's dependencies install.

The copy has no history. The server then dates lines by the analysis that saw them first, so new code is what came
after the analysis that its period of new code begins with. The project's version is the commit that this release is
measured against, and not the release: the period "previous version", the server's default, then begins with the last
analysis before production moved, so that what failed in one release is still new in the next.
"""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters._coverage_report import LCOV_NAME, XML_NAME, relocated
from shopkart_pipeline.adapters._new_code import report_of_unit_tests
from shopkart_pipeline.adapters._process import Command, Completed, find_executable, run
from shopkart_pipeline.adapters._report_limits import MAXIMUM_REPORT_BYTES, read_report
from shopkart_pipeline.adapters._service_copy import copy_service
from shopkart_pipeline.adapters._service_paths import roots_of
from shopkart_pipeline.adapters._sonarqube_access import Access, Project
from shopkart_pipeline.adapters._sonarqube_hints import TASK_ID
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.ports.scanner import ScanRequest

_PROGRAMS = ("sonar-scanner", "pysonar", "sonar-scanner-npm")
_SETTINGS_FILES = ("sonar-project.properties", "pyproject.toml", "package.json", ".coveragerc")
_COVERAGE = {
    XML_NAME: ("sonar.python.coverage.reportPaths", ".shopkart-coverage.xml"),
    LCOV_NAME: ("sonar.javascript.lcov.reportPaths", ".shopkart-coverage.info"),
}
"""By name of the raw report: how the scanner is told of it, and where it lies in the copy."""
_WORKING_FOLDER = ".scannerwork"
_REPORT = "report-task.txt"
_TESTS = "**/test/**,**/tests/**,**/__tests__/**,**/test_*,**/conftest.py,**/*.test.*,**/*.spec.*"
"""What `is_test_code` calls tests, in the scanner's words."""
_REPORT_LINE = re.compile(r"(?P<key>[A-Za-z]+)=(?P<value>[\x21-\x7e]+)")


@dataclass(frozen=True)
class Submitted:
    """What the scanner handed in."""

    task_id: str
    dashboard: str
    """Address of the project's page."""
    coverage_imported: bool
    notes: tuple[str, ...]


def scanner_program(folders: Sequence[Path] = (Path(sys.executable).parent,)) -> str | None:
    """The path of a scanner; None where there is none."""
    return next((found for name in _PROGRAMS if (found := find_executable(name, *folders))), None)


def submit(
    program: str, project: Project, access: Access, request: ScanRequest, cache: Path, timeout_seconds: float
) -> Submitted | EvidenceMissing:
    """Run the scanner.

    Args:
        program: path of the scanner.
        project: where the report goes.
        access: the token.
        request: what is looked at.
        cache: folder that the scanner keeps what it downloads from the server in.
        timeout_seconds: for all of it.
    """
    if not roots_of(request.service.source, request.tree):
        return EvidenceMissing("the service's paths are not in the repository")
    work = _prepared_copy(request)
    coverage, notes = _coverage(request, work)
    settings = [*_settings(project, request, work, cache), *coverage]
    arguments = [f"-D{key}={value}" for key, value in settings]
    done = _run([program, *arguments], work, timeout_seconds, access, request)
    name = Path(program).name
    if isinstance(done, EvidenceMissing):
        return done
    if reason := done.failure(name):
        return EvidenceMissing(access.redacted_text(reason))
    report = _report(work / _WORKING_FOLDER / _REPORT)
    task_id, dashboard = report.get("ceTaskId", ""), report.get("dashboardUrl", "")
    if not TASK_ID.fullmatch(task_id):
        return EvidenceMissing(f"{name} does not say which task it has handed in ({_REPORT})")
    if not project.owns(dashboard) or not project.owns(report.get("ceTaskUrl", "")):
        return EvidenceMissing(f"{name} says that it reported to another server than the declared one ({_REPORT})")
    return Submitted(task_id, access.redacted_text(dashboard), bool(coverage), notes)


def _prepared_copy(request: ScanRequest) -> Path:
    work = copy_service(request.service.source, request.tree, request.scratch.resolve() / "work")
    for name in (*_SETTINGS_FILES, _WORKING_FOLDER, *(name for _, name in _COVERAGE.values())):
        _remove(work / name)
    for folder, folders, names in os.walk(work):
        for path in (Path(folder, name) for name in (*folders, *names)):
            # What a link leads to, outside of the copy, would be shown to everybody who may look at the project.
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(work):
                path.unlink()
    return work


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _coverage(request: ScanRequest, work: Path) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """Settings about the unit tests' coverage, whose reports are put into the copy; and notes where there is none."""
    settings: list[tuple[str, str]] = []
    notes: list[str] = []
    for name, (key, place) in _COVERAGE.items():
        report = report_of_unit_tests(request, name)
        if report is None:
            continue
        try:
            content = relocated(report.read_bytes(), request.tree, request.service.source.path)
        except (OSError, ValueError) as error:
            notes.append(f"SonarQube was given no coverage: the report can't be read: {error}.")
            continue
        (work / place).write_bytes(content)
        settings.append((key, place))
    if not settings and not notes:
        notes.append("SonarQube was given no coverage: the unit tests left no report.")
    return settings, tuple(notes)


def _settings(project: Project, request: ScanRequest, work: Path, cache: Path) -> list[tuple[str, str]]:
    release = request.release
    roots = ",".join(roots_of(request.service.source, request.tree))
    settings = [
        ("sonar.host.url", project.server),
        ("sonar.scanner.apiBaseUrl", f"{project.server}/api/v2"),
        ("sonar.projectKey", project.key),
        ("sonar.projectVersion", f"base-{request.base_commit[:12]}" if request.base_commit else "first"),
        ("sonar.buildString", release.key),
        ("sonar.projectBaseDir", str(work)),
        ("sonar.working.directory", str(work / _WORKING_FOLDER)),
        ("sonar.userHome", str(cache)),
        ("sonar.scm.disabled", "true"),
        ("sonar.scm.revision", release.sha),
        ("sonar.sources", roots),
        ("sonar.exclusions", _TESTS),
        ("sonar.tests", roots),
        ("sonar.test.inclusions", _TESTS),
    ]
    return settings + ([("sonar.branch.name", project.branch)] if project.branch else [])


def _run(
    arguments: Sequence[str], work: Path, timeout_seconds: float, access: Access, request: ScanRequest
) -> Completed | EvidenceMissing:
    """Run a command that is told the token: what it writes gets into the stage's log without it."""
    private_log = request.scratch / "scanner.log"
    variables = {"HOME": str(request.scratch), "SONAR_TOKEN": access.token}
    try:
        return run(Command(arguments, work, timeout_seconds, variables, network=True, log=private_log))
    except OSError as error:
        return EvidenceMissing(f"the scanner can't be started: {error.strerror}")
    finally:
        _hand_on(private_log, access, request.log)


def _hand_on(private_log: Path, access: Access, log: Path) -> None:
    """Append the end of a log to another one, without the token."""
    if not private_log.exists():
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with private_log.open("rb") as source, log.open("ab") as target:
        begin = max(0, source.seek(0, os.SEEK_END) - MAXIMUM_REPORT_BYTES)
        source.seek(begin)
        if begin:
            # A line that is cut off may begin in the middle of the token.
            source.readline()
        target.write(access.redacted(source.read()))


def _report(file: Path) -> dict[str, str]:
    """What the scanner wrote about its task; empty where it can't be read."""
    try:
        lines = read_report(file).decode(errors="replace").splitlines()
    except (OSError, ValueError):
        return {}
    return {match["key"]: match["value"] for line in lines if (match := _REPORT_LINE.fullmatch(line.strip()))}
