"""From what a tool says about lines to findings that are known again when the lines have moved.

A finding is recognised by its rule, its file and the text of its line; equal texts in one file are counted from the
top. It is new unless the base of the release had the same one. Where the base could not be looked at, everything is
new. Such a tool names no version that would fix what it found, so a gate that asks for one counts it.
"""

from collections import Counter
from collections.abc import Iterable, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.domain.evidence import Finding, Severity, fingerprint_of

_MESSAGE_CHARACTERS = 500
_FILE_BYTES = 16 * 1024 * 1024
_LAST_LINE = 10_000_000
"""No file that is read has more; what claims to be further down is nowhere."""


@dataclass(frozen=True)
class Located:
    """One thing that a tool says about a place in a file."""

    rule: str
    severity: Severity
    message: str
    path: str
    """Relative to the root of the repository."""
    line: int | None
    """From 1; None where the tool means the whole file."""
    link: str | None = None
    remark_line: int | None = None
    """Where a remark that silences it would stand; None where that is its own line."""


def findings_of(said: Iterable[Located], tree: Path, known: Set[str] = frozenset()) -> tuple[Finding, ...]:
    """Findings in the order of their places.

    Args:
        said: what the tool said, in any order.
        tree: root of the repository that it looked at; the text of the lines is read from it.
        known: fingerprints that the base had.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    lines = SourceLines(tree)
    findings: list[Finding] = []
    for one in sorted(said, key=lambda one: (one.path, one.line or 0, one.rule, one.message)):
        text = lines.text(one.path, one.line) or one.message
        occurrence = seen[one.rule, one.path, text]
        seen[one.rule, one.path, text] += 1
        fingerprint = fingerprint_of(one.rule, one.path, text, occurrence)
        findings.append(
            Finding(
                rule=one.rule,
                severity=one.severity,
                message=one.message[:_MESSAGE_CHARACTERS],
                fingerprint=fingerprint,
                path=one.path,
                line=one.line if one.line is not None and 0 < one.line <= _LAST_LINE else None,
                fix_unknown=True,
                is_new=fingerprint not in known,
                link=one.link,
            )
        )
    return tuple(findings)


def fingerprints(findings: Iterable[Finding]) -> frozenset[str]:
    """What a later look recognises these findings by."""
    return frozenset(finding.fingerprint for finding in findings)


class SourceLines:
    """Lines of files below one folder, each file read once. What can't be read, is very large or lies outside of the
    folder has no lines."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree.resolve()
        self._files: dict[str, list[str]] = {}

    def text(self, path: str, line: int | None) -> str:
        """The text of a line (from 1) without its outer white space; empty where there is none."""
        lines = self.of(path)
        return lines[line - 1].strip() if line is not None and 0 < line <= len(lines) else ""

    def of(self, path: str) -> list[str]:
        """All lines of a file."""
        if path not in self._files:
            self._files[path] = self._content(path).split("\n")
        return self._files[path]

    def _content(self, path: str) -> str:
        # A report may name anything: a device, a pipe, a file of somebody else.
        with suppress(OSError, ValueError, RuntimeError):
            file = (self._tree / path).resolve()
            if file.is_relative_to(self._tree) and file.is_file() and file.stat().st_size <= _FILE_BYTES:
                return file.read_text(encoding="utf-8", errors="replace")
        return ""
