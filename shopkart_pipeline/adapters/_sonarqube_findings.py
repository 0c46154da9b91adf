"""SonarQube's issues and security hotspots as findings.

The server recognises an issue again when its lines have moved, and keeps its key: the key is the fingerprint. The
severity is the worst that the server says, as an impact or in its older words. A path that leaves the repository is
not taken over.
"""

import re
from collections.abc import Sequence, Set
from pathlib import PurePosixPath
from urllib.parse import urlencode

from shopkart_pipeline.adapters._sonarqube_access import Project
from shopkart_pipeline.adapters._sonarqube_answers import Hotspot, Issue
from shopkart_pipeline.domain.evidence import Finding, Severity, fingerprint_of

_SEVERITIES = {
    "BLOCKER": Severity.CRITICAL,
    "CRITICAL": Severity.HIGH,
    "HIGH": Severity.HIGH,
    "MAJOR": Severity.MEDIUM,
    "MEDIUM": Severity.MEDIUM,
    "MINOR": Severity.LOW,
    "LOW": Severity.LOW,
    "INFO": Severity.INFO,
}
_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\\]")
_MESSAGE_CHARACTERS = 500


def findings_of_issues(issues: Sequence[Issue], new: Set[str], project: Project) -> tuple[Finding, ...]:
    """Findings in the order given, each issue once.

    Args:
        issues: open issues.
        new: keys of those in new code.
        project: where they are from.
    """
    once = {issue.key: issue for issue in issues}
    return tuple(
        Finding(
            rule=issue.rule,
            severity=_severity([issue.severity or "", *(impact.severity for impact in issue.impacts)]),
            message=issue.message[:_MESSAGE_CHARACTERS],
            fingerprint=_fingerprint(issue.key),
            fix_unknown=True,
            path=_path(issue.component, project),
            line=_line(issue.line),
            is_new=issue.key in new,
            link=_link(project, "project/issues", "open", issue.key),
        )
        for issue in once.values()
    )


def findings_of_hotspots(hotspots: Sequence[Hotspot], project: Project) -> tuple[Finding, ...]:
    """Findings in the order given, each hotspot once; all of them are new."""
    once = {hotspot.key: hotspot for hotspot in hotspots}
    return tuple(
        Finding(
            rule=hotspot.ruleKey or f"security-hotspot:{hotspot.securityCategory}",
            severity=_severity([hotspot.vulnerabilityProbability]),
            message=hotspot.message[:_MESSAGE_CHARACTERS],
            fingerprint=_fingerprint(hotspot.key),
            fix_unknown=True,
            path=_path(hotspot.component, project),
            line=_line(hotspot.line),
            link=_link(project, "security_hotspots", "hotspots", hotspot.key),
        )
        for hotspot in once.values()
    )


def _severity(words: Sequence[str]) -> Severity:
    said = [_SEVERITIES.get(word, Severity.UNKNOWN) for word in words if word]
    return max(said, key=lambda severity: (severity.effective, severity), default=Severity.UNKNOWN)


def _fingerprint(key: str) -> str:
    return key if _KEY.fullmatch(key) else fingerprint_of("sonarqube", None, key)


def _path(component: str, project: Project) -> str | None:
    """The path in a component's key, `PROJECT:PATH`; None where it names no file of the repository."""
    path = component.removeprefix(f"{project.key}:")
    if path == component or not path or _UNPRINTABLE.search(path):
        return None
    place = PurePosixPath(path)
    return None if place.is_absolute() or ".." in place.parts else place.as_posix()


def _line(number: int | None) -> int | None:
    return number if number is not None and number > 0 else None


def _link(project: Project, page: str, parameter: str, key: str) -> str:
    query = {"id": project.key, **({"branch": project.branch} if project.branch else {}), parameter: key}
    return f"{project.server}/{page}?{urlencode(query)}"
