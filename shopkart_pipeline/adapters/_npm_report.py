"""What `npm audit --json` reports: version 2 of the report, and the one of npm 6.

A report has to be whole: it counts what it lists, and the packages that it looked at. A refusal of the registry is a
document too; it is no report. Packages that only depend on a vulnerable one are not vulnerable by themselves.

Source: npm's documentation, `npm audit`, "auditReportVersion"; the answer of the audit endpoint for npm 6.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, JsonValue, TypeAdapter

from shopkart_pipeline.adapters._advisories import Vulnerability
from shopkart_pipeline.adapters._npm_range import first_after, holds
from shopkart_pipeline.adapters._packages import Ecosystem, Package
from shopkart_pipeline.adapters._report_limits import Many, json_value
from shopkart_pipeline.adapters._semver import Semver, parse_semver
from shopkart_pipeline.domain.evidence import Severity

_SEVERITIES = {
    "info": Severity.INFO,
    "low": Severity.LOW,
    "moderate": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
_Word = Literal["info", "low", "moderate", "high", "critical"]
_Document = TypeAdapter(dict[str, JsonValue])
_GHSA = re.compile(r"GHSA(-[0-9a-z]{4}){3}")


class _Advice(BaseModel):
    source: int | str
    name: str
    title: str = ""
    url: str = ""
    severity: _Word
    range: str


class _Fix(BaseModel):
    name: str
    version: str


class _Entry(BaseModel):
    via: Many[_Advice | str]
    nodes: list[str]
    fixAvailable: bool | _Fix = False


class _Total(BaseModel):
    total: int


class _Metadata(BaseModel):
    vulnerabilities: _Total
    dependencies: _Total


class _Report(BaseModel):
    auditReportVersion: Literal[2]
    vulnerabilities: dict[str, _Entry]
    metadata: _Metadata


class _OldFinding(BaseModel):
    version: str


class _OldAdvisory(BaseModel):
    id: int
    github_advisory_id: str | None = None
    findings: list[_OldFinding]
    module_name: str
    title: str = ""
    url: str = ""
    severity: _Word
    vulnerable_versions: str


class _OldMetadata(BaseModel):
    vulnerabilities: dict[_Word, int]
    totalDependencies: int


class _OldReport(BaseModel):
    advisories: dict[str, _OldAdvisory]
    metadata: _OldMetadata


def parse(content: bytes, places: Mapping[str, str], packages: Sequence[Package]) -> list[Vulnerability]:
    """Read a report about a lock.

    Args:
        content: what npm wrote.
        places: versions by the place where npm puts them.
        packages: what the lock names.

    Raises:
        ValueError: it is no whole report, or a refusal.
    """
    document = _Document.validate_python(json_value(content))
    if refusal := _refusal(document):
        raise ValueError(refusal)
    if "advisories" in document:
        return list(_old_vulnerabilities(_OldReport.model_validate(document), packages))
    return list(_vulnerabilities(_Report.model_validate(document), places, packages))


def _refusal(document: Mapping[str, JsonValue]) -> str:
    """Why npm has no report, in its words; empty where it has one."""
    error = document.get("error")
    if error is None and "message" not in document:
        return ""
    said = error if isinstance(error, dict) else {}
    words = said.get("summary") or document.get("message") or said.get("code") or "npm does not say why"
    return " ".join(str(words).split())[:300]


def _vulnerabilities(
    report: _Report, places: Mapping[str, str], packages: Sequence[Package]
) -> Iterator[Vulnerability]:
    if report.metadata.vulnerabilities.total != len(report.vulnerabilities):
        count = report.metadata.vulnerabilities.total
        raise ValueError(f"it lists {len(report.vulnerabilities)} packages, and counts {count}")
    _looked_at(report.metadata.dependencies.total, packages)
    for entry in report.vulnerabilities.values():
        strange = [via for via in entry.via if isinstance(via, str) and via not in report.vulnerabilities]
        if strange or not entry.via:
            raise ValueError(f"it does not tell of {', '.join(strange) or 'any reason'}")
        versions = list(dict.fromkeys(places[node] for node in entry.nodes if node in places))
        for advice in entry.via:
            if isinstance(advice, _Advice):
                yield from _warnings(advice, versions, packages, entry.fixAvailable)


def _old_vulnerabilities(report: _OldReport, packages: Sequence[Package]) -> Iterator[Vulnerability]:
    if any(report.metadata.vulnerabilities.values()) is not bool(report.advisories):
        raise ValueError(f"it lists {len(report.advisories)} advisories, and counts otherwise")
    _looked_at(report.metadata.totalDependencies, packages[:1])
    for one in report.advisories.values():
        url = f"https://github.com/advisories/{one.github_advisory_id}" if one.github_advisory_id else one.url
        advice = _Advice(
            source=one.id,
            name=one.module_name,
            title=one.title,
            url=url,
            severity=one.severity,
            range=one.vulnerable_versions,
        )
        versions = list(dict.fromkeys(finding.version for finding in one.findings))
        yield from _warnings(advice, versions, packages, False)


def _looked_at(count: int, packages: Sequence[Package]) -> None:
    if count < len(packages):
        raise ValueError(f"npm looked at {count} packages, the lock names {len(packages)}")


def _warnings(
    advice: _Advice, versions: Sequence[str], packages: Sequence[Package], fix: bool | _Fix
) -> Iterator[Vulnerability]:
    """One vulnerability for each version that the advice is about; there has to be one."""
    read = [(text, parse_semver(text)) for text in versions]
    concerned = [(text, version) for text, version in read if holds(advice.range, version)]
    if not concerned:
        raise ValueError(f"it warns of {advice.name[:214]} in a version that the lock does not name")
    found = _GHSA.search(advice.url)
    name = found[0] if found else f"npm-{advice.source}"
    for text, version in concerned:
        fixed_in = _fixed_in(advice.range, version, fix)
        yield Vulnerability(
            package=_package(advice.name, text, packages),
            id=name,
            aliases=(),
            summary=advice.title,
            severity=_SEVERITIES[advice.severity],
            fixed_in=fixed_in,
            link=advice.url if advice.url.startswith("https://") else f"https://osv.dev/vulnerability/{name}",
            fix_unknown=fix is True and fixed_in is None,
        )


def _package(name: str, version: str, packages: Sequence[Package]) -> Package:
    same = (one for one in packages if (one.name, one.version) == (name, version))
    return next(same, Package(name, version, ecosystem=Ecosystem.NPM))


def _fixed_in(text: str, version: Semver, fix: bool | _Fix) -> str | None:
    """The first version after the range; where it has no end, what npm would install instead, if anything."""
    after = first_after(text, version)
    if after is None and isinstance(fix, _Fix):
        return f"{fix.version} of {fix.name}"
    return after
