"""Runs the command that a stage declares: unit, integration and acceptance tests, and any further check.

The command gets a copy of the service's folders of its own, so that stages of one release can run at the same time and
a second run starts clean, and an environment with nothing of the pipeline in it but what the request says:
`SHOPKART_SERVICE`, `SHOPKART_RELEASE`, `SHOPKART_COMMIT`, `SHOPKART_IMAGE_DIGEST`, `SHOPKART_URL`, `CI`, and the
request's variables. `{python}` in it is the interpreter of the service's environment.

What it leaves behind is read from the reports that the stage declares (`_command_reports`). Reports that lie in the
repository are taken away first: only what this run wrote counts.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shopkart_pipeline.adapters._command_reports import read_reports
from shopkart_pipeline.adapters._process import Command, Completed, find_executable, run
from shopkart_pipeline.adapters._service_paths import roots_of
from shopkart_pipeline.adapters._tool_identity import identity_of
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest
from shopkart_pipeline.ports.scm import SourceControl

_REPORT_BYTES = 64 * 1024 * 1024
_SECRET_NAMES = ("PASSWORD", "TOKEN", "SECRET", "KEY")


class DeclaredCommand(Scanner):
    """Tests, and any other command."""

    name = "command"

    def __init__(self, scm: SourceControl) -> None:
        """
        Args:
            scm: tells which lines are new, for the coverage of new code.
        """
        self._scm = scm

    def unavailable(self) -> str | None:
        return None

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        """The environment that `{python}` comes from is known by its name; any other program by what it is here."""
        arguments = _arguments(request)
        if isinstance(arguments, EvidenceMissing):
            return None
        if "{python}" in request.stage.command[0]:
            return {"command": "1"}
        return identity_of(find_executable(arguments[0], request.service_tree))

    def scan(self, request: ScanRequest) -> ToolRun:
        tool = _tool(request)
        arguments = _arguments(request)
        if isinstance(arguments, EvidenceMissing):
            return ToolRun(EvidenceMissing(arguments.reason, tool))
        work = _copy(request)
        with tempfile.TemporaryDirectory(prefix="shopkart-", ignore_cleanup_errors=True) as temporary:
            done = _execute(arguments, work, Path(temporary), request)
        if isinstance(done, EvidenceMissing):
            return ToolRun(EvidenceMissing(done.reason, tool))
        raw = _reports(request, work)
        said = read_reports(raw, done, request, self._scm)
        if isinstance(said, EvidenceMissing):
            return ToolRun(EvidenceMissing(said.reason, tool), tuple(raw.values()))
        summary = "; ".join(said.summary) or "the command succeeded"
        evidence = Evidence(tool, summary, said.measures, tuple(said.findings), notes=tuple(said.notes))
        return ToolRun(evidence, tuple(raw.values()))


def _tool(request: ScanRequest) -> Tool:
    """The program that is run; for `{python} -m NAME`, the package of that name with its version."""
    command = request.stage.command
    words = " ".join(command)
    if len(command) > 2 and command[:2] == ("{python}", "-m"):
        folder = request.environment or Path("/nonexistent")
        found = sorted(folder.glob(f"lib/python*/site-packages/{command[2]}-*.dist-info"))
        version = found[0].name.removesuffix(".dist-info").partition("-")[2] if found else "unknown"
        return Tool(command[2], version, words)
    return Tool(Path(command[0]).name if command else "command", "unknown", words)


def _arguments(request: ScanRequest) -> list[str] | EvidenceMissing:
    if not request.stage.command:
        return EvidenceMissing(f"stage {request.stage.name} declares no command")
    if request.environment is None:
        if any("{python}" in word for word in request.stage.command):
            return EvidenceMissing("the command needs {python}, but no environment was installed")
        return list(request.stage.command)
    python = str(request.environment / "bin" / "python")
    return [word.replace("{python}", python) for word in request.stage.command]


def _copy(request: ScanRequest) -> Path:
    """A copy of the service's folders and of the files in the repository's root, without old reports."""
    work = request.scratch.resolve() / "work"
    work.mkdir(parents=True)
    source = request.service.source
    for root in roots_of(source, request.tree):
        shutil.copytree(request.tree / root, work / root, symlinks=True, dirs_exist_ok=True)
    for file in request.tree.iterdir():
        if file.is_file() and not (work / file.name).exists():
            shutil.copy2(file, work / file.name, follow_symlinks=False)
    for report in (request.stage.junit, request.stage.coverage, request.stage.sarif):
        if report:
            (work / source.path / report).unlink(missing_ok=True)
    return work


def _execute(arguments: list[str], work: Path, temporary: Path, request: ScanRequest) -> Completed | EvidenceMissing:
    release = request.release
    variables = {
        "CI": "true",
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        # The copy is private, so a service that tests start again and again is compiled once.
        "PYTHONDONTWRITEBYTECODE": "",
        "SHOPKART_SERVICE": release.service,
        "SHOPKART_RELEASE": release.key,
        "SHOPKART_COMMIT": release.sha,
        "SHOPKART_IMAGE_DIGEST": request.image_digest or "",
        "SHOPKART_URL": request.url or "",
        **request.variables,
    }
    folder = work / request.service.source.path
    try:
        return run(Command(arguments, folder, request.stage.timeout_seconds, variables=variables, log=request.log))
    except OSError as error:
        return EvidenceMissing(f"the command can't be started: {error.strerror}: {error.filename}")


def _reports(request: ScanRequest, work: Path) -> dict[str, RawReport]:
    """The reports that this run wrote, without the place of the copy and without secrets, by name."""
    stage = request.stage
    kinds = (
        ("junit.xml", "application/xml", stage.junit),
        ("coverage.xml", "application/xml", stage.coverage),
        ("results.sarif", "application/sarif+json", stage.sarif),
    )
    reports: dict[str, RawReport] = {}
    for name, media_type, path in kinds:
        file = work / request.service.source.path / path if path else None
        if file is not None and file.is_file() and not file.is_symlink() and file.stat().st_size <= _REPORT_BYTES:
            reports[name] = RawReport(name, media_type, _cleaned(file.read_bytes(), request, work))
    return reports


def _cleaned(content: bytes, request: ScanRequest, work: Path) -> bytes:
    place = f"{work}/"
    for text in (f"file://{place}", place, place.replace("/", ".")):
        content = content.replace(text.encode(), b"")
    content = content.replace(str(work).encode(), b".")
    for name, value in request.variables.items():
        if len(value) >= 4 and any(word in name.upper() for word in _SECRET_NAMES):
            content = content.replace(value.encode(), b"***")
    return content
