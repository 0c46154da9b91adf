"""pip-audit against a live advisory service in OSV's protocol.

It is always run with `--strict`: without it, a service that can't be reached makes it audit nothing, report nothing and
end with 0. Every locked package that is installed everywhere has to be in its report. It does not tell severities, so
what it finds is `UNKNOWN`, which gates take for high.

It reads Python's locks alone. Option of the stage: `lock` (`_dependency_data`).

Measures: `vulnerabilities`, `new_vulnerabilities`, `packages`, `snapshot_age_days` (0: the advisories are of now).
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name
from pydantic import BaseModel

from shopkart_pipeline.adapters._advisories import Vulnerability
from shopkart_pipeline.adapters._dependency_data import Locked, more_is_new, read_base_locks, read_locks
from shopkart_pipeline.adapters._packages import Ecosystem, Package
from shopkart_pipeline.adapters._process import Command, find_executable, run
from shopkart_pipeline.adapters._vulnerability_evidence import (
    findings_of,
    fingerprints,
    live_evidence,
    live_rules,
)
from shopkart_pipeline.domain.evidence import EvidenceMissing, RawReport, Severity, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest

_ABSENT = "pip-audit is not installed"
_SOCKET_TIMEOUT_SECONDS = 5


class _Vulnerability(BaseModel):
    id: str
    aliases: list[str] = []
    fix_versions: list[str] = []
    description: str = ""


class _Dependency(BaseModel):
    name: str
    version: str | None = None
    skip_reason: str | None = None
    vulns: list[_Vulnerability] = []


class PipAuditReport(BaseModel):
    """A report in JSON."""

    dependencies: list[_Dependency]


class PipAudit(Scanner):
    """Judges a lock by a live advisory service."""

    name = "pip-audit"

    def __init__(self, address: str) -> None:
        """
        Args:
            address: base address of the service, such as `https://api.osv.dev`.
        """
        self.address = address

    def unavailable(self) -> str | None:
        return None if _executable() else _ABSENT

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        """None: what the service knows changes at any time. `DependencyScan` decides how long an answer may stand."""
        return None

    def scan(self, request: ScanRequest) -> ToolRun:
        executable = _executable()
        if executable is None:
            return ToolRun(EvidenceMissing(_ABSENT))
        tool = Tool("pip-audit", _version(executable, request), live_rules(self.address))
        locked = read_locks(request, Ecosystem.PYPI)
        if isinstance(locked, EvidenceMissing):
            return ToolRun(EvidenceMissing(locked.reason, tool))
        audited = self._audit(executable, request, request.tree, locked)
        if isinstance(audited, EvidenceMissing):
            return ToolRun(EvidenceMissing(audited.reason, tool))
        found, raw = audited
        known, notes = self._known(executable, request) if found else (frozenset[str](), ())
        if found:
            notes = (*notes, "The service's severities are not reported: all count as high.")
        evidence = live_evidence(tool, findings_of(found, known), locked.packages, (*locked.notes, *notes))
        return ToolRun(evidence, (RawReport("pip-audit.json", "application/json", raw),))

    def _known(self, executable: str, request: ScanRequest) -> tuple[frozenset[str], tuple[str, ...]]:
        base = read_base_locks(request).only(Ecosystem.PYPI)
        if request.base_tree is None or not base.paths:
            return frozenset(), base.notes
        audited = self._audit(executable, request, request.base_tree, base)
        if isinstance(audited, EvidenceMissing):
            return frozenset(), (*base.notes, more_is_new(audited.reason))
        return fingerprints(audited[0]), base.notes

    def _audit(
        self, executable: str, request: ScanRequest, tree: Path, locked: Locked
    ) -> tuple[list[Vulnerability], bytes] | EvidenceMissing:
        done = run(
            Command(
                [
                    *(executable, "--strict", "--disable-pip", "--require-hashes", "--progress-spinner=off"),
                    *("--vulnerability-service=osv", f"--osv-url={self.address}/v1/query", "--format=json"),
                    f"--timeout={_SOCKET_TIMEOUT_SECONDS}",
                    *(f"--requirement={tree / path}" for path in locked.paths),
                ],
                request.scratch,
                request.stage.timeout_seconds,
                variables={"HOME": str(request.scratch)},
                network=True,
                log=request.log,
                capture=True,
            )
        )
        if reason := done.failure("pip-audit", accepted=(0, 1)):
            return EvidenceMissing(reason)
        try:
            found = parse(done.stdout, locked.packages)
        except ValueError as error:
            last = done.tail.strip().splitlines()[-1:] or [str(error).partition("\n")[0]]
            return EvidenceMissing(f"pip-audit left no complete report: {last[0][:300]}")
        if bool(found) != (done.exit_code == 1):
            return EvidenceMissing(f"pip-audit ended with exit code {done.exit_code}, but found {len(found)}")
        return found, done.stdout


def parse(report: bytes, packages: Sequence[Package]) -> list[Vulnerability]:
    """Read a report about these packages.

    Raises:
        ValueError: it is no report, or a package is not in it.
    """
    dependencies = PipAuditReport.model_validate_json(report).dependencies
    audited = {canonicalize_name(one.name): one for one in dependencies if one.skip_reason is None}
    absent = [package.name for package in packages if package.name not in audited and not package.conditional]
    if absent or not audited:
        raise ValueError(f"not audited: {', '.join(absent) or 'anything'}")
    by_name = {package.name: package for package in packages}
    return [
        _vulnerability(by_name.get(name) or Package(name, one.version or ""), vulnerability)
        for name, one in audited.items()
        for vulnerability in one.vulns
    ]


def _vulnerability(package: Package, one: _Vulnerability) -> Vulnerability:
    return Vulnerability(
        package=package,
        id=one.id,
        aliases=tuple(one.aliases),
        summary=one.description.partition("\n")[0],
        severity=Severity.UNKNOWN,
        fixed_in=one.fix_versions[0] if one.fix_versions else None,
        link=f"https://osv.dev/vulnerability/{one.id}",
    )


def _executable() -> str | None:
    return find_executable("pip-audit", Path(sys.executable).parent)


def _version(executable: str, request: ScanRequest) -> str:
    """Of the package beside the interpreter: asking the program takes a second."""
    folder = Path(executable).parent.parent
    found = sorted(folder.glob("lib/python*/site-packages/pip_audit-*.dist-info"))
    return found[0].name.removesuffix(".dist-info").partition("-")[2] if found else "unknown"
