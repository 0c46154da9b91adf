"""From places where secrets stand to findings: one for each secret and file, however many commits hold it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from shopkart_pipeline.adapters._secret_scope import Place
from shopkart_pipeline.domain.evidence import Finding, RawReport, Severity, fingerprint_of


@dataclass(frozen=True)
class Leak:
    """A secret in a place; never holds the secret."""

    rule: str
    description: str
    place: Place
    line: int
    name: str
    """What `SecretNames` calls it."""
    accepted: bool = False
    """A baseline names it, and it was there before."""


def findings_of(leaks: Sequence[Leak]) -> tuple[Finding, ...]:
    """Findings in the order of their places. A secret in the tree is shown where it stands there."""
    groups: dict[str, list[Leak]] = {}
    for leak in leaks:
        groups.setdefault(fingerprint_of(leak.rule, leak.place.path, leak.name), []).append(leak)
    findings = [_finding(fingerprint, group) for fingerprint, group in groups.items()]
    return tuple(sorted(findings, key=lambda finding: (finding.path or "", finding.line or 0, finding.rule)))


def report_of(findings: Sequence[Finding]) -> RawReport:
    """The findings as data, for people who look into the report."""
    rows = [
        {
            "rule": one.rule,
            "path": one.path,
            "line": one.line,
            "message": one.message,
            "fingerprint": one.fingerprint,
            "new": one.is_new,
        }
        for one in findings
    ]
    return RawReport("secrets.json", "application/json", json.dumps(rows, indent=1).encode())


def places_of(findings: Sequence[Finding]) -> str:
    """Where findings stand, in words; the first five of them."""
    shown = [f"{one.path}:{one.line} ({one.rule})" for one in findings[:5]]
    return ", ".join(shown) + (" and others" if len(findings) > len(shown) else "")


def _finding(fingerprint: str, group: Sequence[Leak]) -> Finding:
    in_tree = next((leak for leak in group if leak.place.in_tree), None)
    shown = in_tree or group[0]
    commit = next((leak.place.commit for leak in group if leak.place.commit), None)
    where = f" (commit {commit[:12]})" if commit else ""
    gone = "" if in_tree else "; a later commit took it away, but it stays in the history"
    return Finding(
        rule=shown.rule,
        severity=Severity.CRITICAL,
        message=f"{shown.description}{where}{gone}",
        fingerprint=fingerprint,
        path=shown.place.path,
        line=shown.line,
        is_new=not all(leak.accepted for leak in group),
    )
