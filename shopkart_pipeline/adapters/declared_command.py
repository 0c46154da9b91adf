"""Runs the command that a stage declares: unit, integration and acceptance tests, and any further check.

The command gets a copy of the service's folders of its own, so that stages of one release can run at the same time and
a second run starts clean, and an environment with nothing of the pipeline in it but what the request says:
`SHOPKART_SERVICE`, `SHOPKART_RELEASE`, `SHOPKART_COMMIT`, `SHOPKART_IMAGE_DIGEST`, `SHOPKART_URL`, `CI`, and the
request's variables. `{python}` in it is the interpreter of the service's environment.

What it leaves behind is read from the reports that the stage declares (`_command_reports`). Reports that lie in the
repository are taken away first: only what this run wrote counts. Where tests failed and the stage declares `retries`,
the whole command is run again in a fresh copy; all runs share the time that the stage has.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from shopkart_pipeline.adapters._attempt import Attempt, look
from shopkart_pipeline.adapters._command_reports import merged_tests, raw_reports, read_reports
from shopkart_pipeline.adapters._process import Command, find_executable, run
from shopkart_pipeline.adapters._service_copy import copy_service
from shopkart_pipeline.adapters._tool_identity import identity_of
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest
from shopkart_pipeline.ports.scm import SourceControl


class DeclaredCommand(Scanner):
    """Tests, and any other command."""

    name = "command"
    runs_code = True

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

    def tool_of(self, request: ScanRequest) -> Tool:
        return _tool(request)

    def scan(self, request: ScanRequest) -> ToolRun:
        tool = _tool(request)
        arguments = _arguments(request)
        if isinstance(arguments, EvidenceMissing):
            return ToolRun(EvidenceMissing(arguments.reason, tool))
        runner = _Runner(arguments, request)
        try:
            attempts = runner.attempts()
            said = read_reports(attempts, request, self._scm, runner.on_base)
        except OSError as error:
            reason = f"the command can't be started: {error.strerror}: {error.filename}"
            return ToolRun(EvidenceMissing(reason, tool))
        raw = raw_reports(attempts)
        if isinstance(said, EvidenceMissing):
            return ToolRun(EvidenceMissing(said.reason, tool), raw)
        summary = "; ".join(said.summary) or "the command succeeded"
        evidence = Evidence(tool, summary, said.measures, tuple(said.findings), notes=tuple(said.notes))
        return ToolRun(evidence, (*raw, *said.raw))


class _Runner:
    """Runs the command, each time in a copy of its own, within the time that the stage has."""

    def __init__(self, arguments: Sequence[str], request: ScanRequest) -> None:
        self._arguments, self._request = arguments, request
        self._ends_at = time.monotonic() + request.stage.timeout_seconds

    def attempts(self) -> list[Attempt]:
        """The command, and once more as long as tests have only failed and attempts are left."""
        request, attempts = self._request, list[Attempt]()
        while not attempts or self._goes_on(attempts):
            number = len(attempts) + 1
            attempts.append(self._run(number, request.tree, f"work-{number}"))
        return attempts

    def _goes_on(self, attempts: Sequence[Attempt]) -> bool:
        """Whether another attempt may still show that a failed test is flaky."""
        is_over = len(attempts) > self._request.stage.retries or time.monotonic() >= self._ends_at
        if is_over or attempts[0].problem or attempts[-1].done.cancelled:
            return False
        return any(case.outcome.is_failure for case in merged_tests(attempts, self._request))

    def on_base(self) -> Attempt:
        """The command on the base of the release, which has to be there."""
        if self._request.base_tree is None:
            raise ValueError("there is no base")
        return self._run(1, self._request.base_tree, "base")

    def _run(self, number: int, tree: Path, name: str) -> Attempt:
        request, stage = self._request, self._request.stage
        old = [path for path in (stage.junit, stage.coverage, stage.sarif, stage.checkstyle) if path]
        work = copy_service(request.service.source, tree, request.scratch.resolve() / name, without=old)
        left_seconds = max(0.01, self._ends_at - time.monotonic())
        with tempfile.TemporaryDirectory(prefix="shopkart-", ignore_cleanup_errors=True) as temporary:
            variables = _variables(request, Path(temporary))
            folder = work / request.service.source.path
            done = run(Command(self._arguments, folder, left_seconds, variables=variables, log=request.log))
        return look(number, done, request, work)


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


def _variables(request: ScanRequest, temporary: Path) -> dict[str, str]:
    release = request.release
    return {
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
