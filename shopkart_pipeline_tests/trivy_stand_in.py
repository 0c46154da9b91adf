"""A program called trivy, first in `PATH`, for what the real one can't be made to do."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from shopkart_pipeline_tests.scan_requests import SAMPLES
from shopkart_pipeline_tests.trivy_database import write_metadata


def sample(name: str) -> bytes:
    """A recorded report."""
    return (SAMPLES / "trivy" / name).read_bytes()


class TrivyStandIn:
    """Writes a report to the path after `--output`, and remembers what it was asked to do."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
        self.scans(sample("clean.json"))

    def scans(self, report: bytes | None, exit_code: int = 0, base: bytes | None = None) -> None:
        """What it reports, and how it ends; another report for the base, where it is to differ."""
        self._write("report.json", report)
        self._write("base.json", report if base is None else base)
        self._program(exit_code, "")

    def fetches(self, updated_at: datetime | None) -> None:
        """Fetching gives a database of that date; None where it fails."""
        if updated_at is None:
            self._program(0, 'echo "no such host" >&2; exit 1')
        else:
            write_metadata(self.folder / "fetched", updated_at)
            fresh = self.folder / "fetched" / "db" / "metadata.json"
            self._program(0, f'mkdir -p "$cache/db"; cp "{fresh}" "$cache/db"; exit 0')

    @property
    def asked(self) -> list[str]:
        """The arguments of each start, in order."""
        try:
            return (self.folder / "asked").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _write(self, name: str, report: bytes | None) -> None:
        path = self.folder / name
        if report is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(report)

    def _program(self, exit_code: int, fetch: str) -> None:
        program = self.folder / "bin" / "trivy"
        program.write_text(
            f'#!/bin/sh\necho "$@" >> "{self.folder}/asked"\n'
            "report=report.json; fetching=; cache=; output=\n"
            'case "$PWD" in */trivy-base) report=base.json;; esac\n'
            '[ "$1" = version ] && { echo "Version: 0.68.2"; exit 0; }\n'
            "while [ $# -gt 0 ]; do\n"
            '  case "$1" in --download-db-only) fetching=1;; --cache-dir) cache=$2;; --output) output=$2;; esac\n'
            "  shift\n"
            "done\n"
            f'if [ -n "$fetching" ]; then {fetch or "exit 0"}\nfi\n'
            f'[ -f "{self.folder}/$report" ] && cp "{self.folder}/$report" "$output"\n'
            f"exit {exit_code}\n"
        )
        program.chmod(0o755)


def with_results(report: bytes, **changes: object) -> bytes:
    """A report whose first result has other parts."""
    document = json.loads(report)
    document["Results"][0] |= changes
    return json.dumps(document).encode()
