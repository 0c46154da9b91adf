"""Runs ruff and reads its JSON report. Who asks decides about the rules.

Ruff looks at every file below the folders that it is given, never at a cache, never changes a file, and is not led by
ignore files or configuration that lie outside of the repository.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from shopkart_pipeline.adapters._findings import Located
from shopkart_pipeline.adapters._process import Command, Completed, find_executable, run
from shopkart_pipeline.adapters._report_limits import Many, why
from shopkart_pipeline.domain.evidence import EvidenceMissing, Severity, Tool
from shopkart_pipeline.ports.scanner import ScanRequest

_ALWAYS = ("--no-cache", "--no-fix", "--no-respect-gitignore", "--quiet")


class _Place(BaseModel):
    row: int


class _Record(BaseModel):
    code: str | None
    message: str
    filename: str
    location: _Place
    url: str | None = None
    noqa_row: int | None = None


_REPORT = TypeAdapter(Many[_Record])


@dataclass(frozen=True)
class RuffReport:
    """What ruff said, and how it said it."""

    said: tuple[Located, ...]
    raw: bytes


def ruff_executable() -> str | None:
    """Ruff beside the running interpreter, else in `PATH`."""
    return find_executable("ruff", Path(sys.executable).parent)


def ruff_tool(executable: str, request: ScanRequest, rules: str) -> Tool:
    """Ruff with its version, as evidence names it."""
    done = _run(executable, ["--version"], request.tree, request)
    return Tool("ruff", done.stdout.decode(errors="replace").removeprefix("ruff").strip() or "unknown", rules)


def check(
    executable: str, tree: Path, paths: Sequence[str], options: Sequence[str], request: ScanRequest
) -> RuffReport | EvidenceMissing:
    """Check files.

    Args:
        executable: path of ruff.
        tree: root of the repository.
        paths: files and folders, relative to `tree`; not empty.
        options: further options of `ruff check`, such as the rules.
        request: gives scratch space, log and time limit.
    """
    tree = tree.resolve()
    arguments = ["check", *_ALWAYS, "--output-format=json", *options, "--", *paths]
    done = _run(executable, arguments, tree, request)
    if reason := done.failure("ruff", accepted=(0, 1)):
        return EvidenceMissing(reason)
    try:
        said = parse(done.stdout, tree)
    except ValueError as error:
        return EvidenceMissing(f"ruff wrote an unreadable report: {why(error)}")
    if bool(said) != (done.exit_code == 1):
        return EvidenceMissing(f"ruff ended with exit code {done.exit_code}, but reported {len(said)} violations")
    return RuffReport(said, done.stdout.replace(f"{tree}/".encode(), b""))


def checked_files(
    executable: str, tree: Path, paths: Sequence[str], options: Sequence[str], request: ScanRequest
) -> tuple[str, ...] | EvidenceMissing:
    """The Python files that `check` would look at, relative to `tree`."""
    tree = tree.resolve()
    done = _run(executable, ["check", *_ALWAYS, "--show-files", *options, "--", *paths], tree, request)
    if reason := done.failure("ruff"):
        return EvidenceMissing(reason)
    names = done.stdout.decode("utf-8", "surrogateescape").splitlines()
    return tuple(name.removeprefix(f"{tree}/") for name in names if is_checked(name))


def is_checked(name: str) -> bool:
    """Whether ruff looks at files that are called so."""
    return name.endswith((".py", ".pyi", ".ipynb"))


def parse(report: bytes, tree: Path) -> tuple[Located, ...]:
    """Read `ruff check --output-format=json`.

    Raises:
        ValueError: the report is not what ruff writes.
    """
    return tuple(_located(record, tree) for record in _REPORT.validate_json(report))


def _located(record: _Record, tree: Path) -> Located:
    rule = record.code or "invalid-syntax"
    path = Path(record.filename)
    return Located(
        rule=rule,
        severity=_severity(rule),
        message=record.message,
        path=(path.relative_to(tree) if path.is_absolute() else path).as_posix(),
        line=record.location.row,
        link=record.url,
        remark_line=record.noqa_row,
    )


def _severity(rule: str) -> Severity:
    if rule in ("invalid-syntax", "E902", "E999"):
        return Severity.HIGH
    return Severity.MEDIUM if rule[:1] in ("S", "F", "B") and rule[1:].isdigit() else Severity.LOW


def _run(executable: str, arguments: Sequence[str], folder: Path, request: ScanRequest) -> Completed:
    return run(
        Command(
            [executable, *arguments],
            folder,
            request.stage.timeout_seconds,
            variables={"HOME": str(request.scratch)},
            log=request.log,
            capture=True,
        )
    )
