"""npm's own audit: the locks of npm judged by the advisories of npm's registry.

npm gets copies of the lock and its manifest in a folder of their own, and no configuration of the project; nothing of
the package is installed or executed. Where the registry refuses, npm says so in a document of its own and ends with 1,
as it does where it found something: only a whole report is evidence. A registry that warns of nothing at all is asked
about a package that is known to be vulnerable: one that does not know it knows nothing.

It reads npm's locks alone. Option of the stage: `lock` (`_dependency_data`).

Measures: `vulnerabilities`, `new_vulnerabilities`, `packages`, `snapshot_age_days` (0: the advisories are of now).
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters._advisories import Vulnerability
from shopkart_pipeline.adapters._dependency_data import Locked, more_is_new, read_base_locks, read_locks
from shopkart_pipeline.adapters._npm_report import parse
from shopkart_pipeline.adapters._package_lock import installed_versions, parse_package_lock
from shopkart_pipeline.adapters._packages import Ecosystem
from shopkart_pipeline.adapters._process import Command, find_executable, run
from shopkart_pipeline.adapters._report_limits import why
from shopkart_pipeline.adapters._vulnerability_evidence import (
    findings_of,
    fingerprints,
    live_evidence,
    live_rules,
)
from shopkart_pipeline.domain.evidence import EvidenceMissing, RawReport, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest

_ABSENT = "npm is not installed"
_ARGUMENTS = (
    "audit",
    "--json",
    "--package-lock-only",
    "--ignore-scripts",
    "--include=dev",
    "--include=optional",
    "--include=peer",
    "--fetch-retries=0",
    "--no-update-notifier",
)
_KNOWN = {"minimist": "0.0.8"}
"""A package with vulnerabilities that every registry with advisories has known for years."""
_KNOWN_PROJECT = {"name": "known", "version": "1.0.0", "dependencies": _KNOWN}
_KNOWN_VERSIONS = {name: {"version": version} for name, version in _KNOWN.items()}
_KNOWN_LOCK = {
    **_KNOWN_PROJECT,
    "lockfileVersion": 2,
    "requires": True,
    "packages": {"": _KNOWN_PROJECT, **{f"node_modules/{name}": entry for name, entry in _KNOWN_VERSIONS.items()}},
    "dependencies": _KNOWN_VERSIONS,
}


class NpmAudit(Scanner):
    """Judges locks of npm by a registry."""

    name = "npm-audit"

    def __init__(self, registry: str | None = None) -> None:
        """
        Args:
            registry: base address of the registry; None: the one that npm is configured with on this machine.
        """
        self._registry = registry

    def unavailable(self) -> str | None:
        return None if find_executable("npm") else _ABSENT

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        """None: what the registry knows changes at any time."""
        return None

    def scan(self, request: ScanRequest) -> ToolRun:
        executable = find_executable("npm")
        if executable is None:
            return ToolRun(EvidenceMissing(_ABSENT))
        npm = _Npm(executable, self._registry, request, time.monotonic() + request.stage.timeout_seconds)
        rules = live_rules(self._registry) if self._registry else "live advisories of npm's registry"
        tool = Tool("npm-audit", npm.version(), rules)
        locked = read_locks(request, Ecosystem.NPM)
        if isinstance(locked, EvidenceMissing):
            return ToolRun(EvidenceMissing(locked.reason, tool))
        try:
            found, raw = npm.audit(locked, request.tree, "release")
            if not found:
                npm.check_registry()
        except ValueError as error:
            return ToolRun(EvidenceMissing(str(error), tool))
        known, notes = _known(npm, request) if found else (frozenset[str](), ())
        evidence = live_evidence(tool, findings_of(found, known), locked.packages, (*locked.notes, *notes))
        return ToolRun(evidence, raw)


def _known(npm: "_Npm", request: ScanRequest) -> tuple[frozenset[str], tuple[str, ...]]:
    base = read_base_locks(request).only(Ecosystem.NPM)
    if request.base_tree is None or not base.paths:
        return frozenset(), base.notes
    try:
        return fingerprints(npm.audit(base, request.base_tree, "base")[0]), base.notes
    except ValueError as error:
        return frozenset(), (*base.notes, more_is_new(str(error)))


@dataclass(frozen=True)
class _Npm:
    """npm, for one scan. Its methods raise `ValueError` where it leaves no whole report."""

    executable: str
    registry: str | None
    request: ScanRequest
    deadline_seconds: float
    """On the monotonic clock."""

    def version(self) -> str:
        command = Command([self.executable, "--version"], self.request.scratch, 30.0, capture=True)
        words = run(command).stdout.decode(errors="replace").split()
        return words[0] if len(words) == 1 else "unknown"

    def audit(self, locked: Locked, tree: Path, name: str) -> tuple[list[Vulnerability], tuple[RawReport, ...]]:
        """What the registry warns of in all locks of npm, and npm's reports."""
        found: list[Vulnerability] = []
        raw: list[RawReport] = []
        for number, path in enumerate(locked.paths, start=1):
            lock, manifest = tree / path, (tree / path).with_name("package.json")
            files = {"package-lock.json": lock.read_text(encoding="utf-8")}
            if manifest.is_file() and not manifest.is_symlink():
                files["package.json"] = manifest.read_text(encoding="utf-8", errors="replace")
            one = Locked(tuple(package for package in locked.packages if package.path == path), (path,))
            vulnerable, report = self._audit(one, files, f"{name}-{number}")
            found += vulnerable
            raw.append(RawReport(f"npm-audit-{number}.json", "application/json", report))
        return found, tuple(raw)

    def check_registry(self) -> None:
        """Ask about a package that is known to be vulnerable."""
        text, manifest = json.dumps(_KNOWN_LOCK), json.dumps(_KNOWN_PROJECT)
        locked = Locked(parse_package_lock(text), ("a lock that is known to be vulnerable",))
        found, _ = self._audit(locked, {"package-lock.json": text, "package.json": manifest}, "known")
        if not found:
            name, version = next(iter(_KNOWN.items()))
            raise ValueError(f"the registry warns of nothing, not even of {name} {version}: it knows no advisories")

    def _audit(self, locked: Locked, files: dict[str, str], name: str) -> tuple[list[Vulnerability], bytes]:
        folder = self.request.scratch / "npm-audit" / name
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        registry = [f"--registry={self.registry}"] if self.registry else []
        done = run(
            Command(
                [self.executable, *_ARGUMENTS, f"--cache={folder / 'cache'}", *registry],
                folder,
                max(0.01, self.deadline_seconds - time.monotonic()),
                network=True,
                log=self.request.log,
                capture=True,
            )
        )
        path = locked.paths[0]
        if done.timed_out or done.cancelled or done.overflowed:
            raise ValueError(done.failure("npm audit"))
        try:
            found = parse(done.stdout, installed_versions(files["package-lock.json"]), locked.packages)
        except ValueError as error:
            ended = f"exit code {done.exit_code}"
            raise ValueError(f"npm audit left no report about {path} ({ended}): {why(error)}") from error
        # Which findings make npm end with 1 depends on its version and configuration; without any it has to end with 0.
        if done.exit_code not in ((0, 1) if found else (0,)):
            raise ValueError(f"npm audit ended with exit code {done.exit_code}, but found {len(found)}")
        return found, done.stdout
