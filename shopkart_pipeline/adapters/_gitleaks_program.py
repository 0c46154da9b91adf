"""Runs gitleaks over a folder and reads its report.

Gitleaks has a command for folders since version 8.19, `dir`; before, it was `detect --no-git`. A build that does not
tell its version is asked whether it has the command. Since then it can also be told to report lines that are
marked `gitleaks:allow`, so that leaving them out is for the caller, who says so; an older one leaves them out itself.
"""

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter

from shopkart_pipeline.adapters._process import Command, Completed, find_executable, run
from shopkart_pipeline.adapters._report_limits import Many, read_report, why
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.ports.scanner import ScanRequest

_LEAKS_EXIT_CODE = 42
"""Told apart from gitleaks' own failures, which end with 1."""
_ASKING_SECONDS = 30.0
_FIRST_WITH_DIR = (8, 19)


class ReportedLeak(BaseModel):
    """One entry of a report in JSON; the masked secret and its surroundings are not read."""

    rule: str = Field(alias="RuleID")
    description: str = Field(alias="Description")
    file: str = Field(alias="File")
    line: int = Field(alias="StartLine")
    last_line: int = Field(0, alias="EndLine")


_REPORT = TypeAdapter(Many[ReportedLeak])


def parse(report: bytes) -> list[ReportedLeak]:
    """Read a report.

    Raises:
        ValueError: it is not a report of gitleaks.
    """
    return _REPORT.validate_json(report)


def gitleaks_executable() -> str | None:
    """Gitleaks beside the running interpreter, else in `PATH`."""
    return find_executable("gitleaks", Path(sys.executable).parent)


@dataclass(frozen=True)
class GitleaksProgram:
    """An installed gitleaks, for one request."""

    executable: str
    request: ScanRequest
    version: str
    has_dir: bool
    """Whether it is 8.19 or later."""

    @classmethod
    def ask(cls, executable: str, request: ScanRequest) -> "GitleaksProgram":
        """Ask the program what it is. One that does not tell its version is named by its content.

        Raises:
            OSError: the program can't be read or started.
        """
        told = _run([executable, "version"], request, request.scratch, _ASKING_SECONDS, capture=True)
        if found := re.search(rb"(\d+)\.(\d+)[.\d]*", told.stdout):
            return cls(executable, request, found[0].decode(), (int(found[1]), int(found[2])) >= _FIRST_WITH_DIR)
        asked = _run([executable, "dir", "--help"], request, request.scratch, _ASKING_SECONDS, capture=True)
        return cls(executable, request, f"unknown ({_content(executable)})", asked.exit_code == 0)

    def search(self, folder: Path, rules: Path | None) -> list[ReportedLeak] | EvidenceMissing:
        """What gitleaks reports about the files of a folder, named relative to it.

        Args:
            folder: what to look at.
            rules: a configuration, or None for gitleaks' own rules.
        """
        report = self.request.scratch / "gitleaks.json"
        report.unlink(missing_ok=True)
        words = ["dir", ".", "--ignore-gitleaks-allow"] if self.has_dir else ["detect", "--no-git", "--source", "."]
        arguments = [
            *(self.executable, *words, "--redact", "--no-banner", *(("--config", str(rules)) if rules else ())),
            *("--report-format", "json", "--report-path", str(report), "--exit-code", str(_LEAKS_EXIT_CODE)),
        ]
        done = _run(arguments, self.request, folder, self.request.stage.timeout_seconds)
        if reason := done.failure("gitleaks", accepted=(0, _LEAKS_EXIT_CODE)):
            return EvidenceMissing(reason)
        try:
            leaks = parse(read_report(report))
        except (OSError, ValueError) as error:
            detail = why(error) if isinstance(error, ValueError) else error.strerror
            return EvidenceMissing(f"gitleaks left no readable report: {detail}")
        if bool(leaks) != (done.exit_code == _LEAKS_EXIT_CODE):
            return EvidenceMissing(f"gitleaks ended with exit code {done.exit_code}, but reported {len(leaks)} secrets")
        return leaks


def _run(
    arguments: list[str], request: ScanRequest, folder: Path, timeout_seconds: float, *, capture: bool = False
) -> Completed:
    variables = {"HOME": str(request.scratch)}
    return run(Command(arguments, folder, timeout_seconds, variables=variables, log=request.log, capture=capture))


def _content(executable: str) -> str:
    with Path(executable).open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()[:12]}"
