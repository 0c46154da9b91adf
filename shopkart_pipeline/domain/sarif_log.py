"""Findings of a release as SARIF 2.1.0, for code hosts and for any other reader of that format.

One run for each stage. The level and the numeric `security-severity` say the same severity; `partialFingerprints`
holds the fingerprint that survives moved lines, `baselineState` whether production has the finding already, and a
waived finding is suppressed with the waiver's words. A stage without evidence is a run whose invocation failed, because
a run that is left out would read as clean.

Source: OASIS SARIF 2.1.0, sections 3.14 (run), 3.20 (invocation), 3.27 (result), 3.35 (suppression); GitHub's "SARIF
support for code scanning" for `security-severity` and `partialFingerprints`.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, Severity, StageRecord
from shopkart_pipeline.domain.verdict import NOTHING_WAIVED, Waived
from shopkart_pipeline.domain.waiver import Waiver

FINGERPRINT = "shopkart/v1"
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {
    Severity.INFO: "none",
    Severity.LOW: "note",
    Severity.MEDIUM: "warning",
    Severity.UNKNOWN: "error",
    Severity.HIGH: "error",
    Severity.CRITICAL: "error",
}
_SCORES = {
    Severity.INFO: "0.0",
    Severity.LOW: "2.0",
    Severity.MEDIUM: "5.5",
    Severity.UNKNOWN: "8.0",
    Severity.HIGH: "8.0",
    Severity.CRITICAL: "9.5",
}

Document = dict[str, Any]


def sarif_log(records: Sequence[StageRecord], waived: Waived = NOTHING_WAIVED) -> Document:
    """The log of these records, as plain JSON data."""
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(record, waived) for record in records]}


def _run(record: StageRecord, waived: Waived) -> Document:
    match record.result:
        case EvidenceMissing() as missing:
            name = missing.tool.name if missing.tool is not None else record.stage
            failure = {"executionSuccessful": False, "exitSignalName": "missing", **_notifications(missing.reason)}
            return {
                "tool": {"driver": {"name": name, "rules": []}},
                "automationDetails": _details(record),
                "invocations": [failure],
            }
        case Evidence() as evidence:
            rules = {finding.rule: finding for finding in evidence.findings}
            places = {rule: index for index, rule in enumerate(rules)}
            return {
                "tool": {"driver": _driver(evidence, rules)},
                "automationDetails": _details(record),
                "invocations": [
                    {"executionSuccessful": True, "endTimeUtc": f"{record.produced_at:%Y-%m-%dT%H:%M:%SZ}"}
                ],
                "versionControlProvenance": [{"repositoryUri": record.service, "revisionId": record.commit}],
                "results": [
                    _result(finding, places[finding.rule], waived.of(record.stage, finding), waived)
                    for finding in evidence.findings
                ],
            }


def _details(record: StageRecord) -> Document:
    return {"id": f"shopkart/{record.service}/{record.stage}/{record.release_key}"}


def _notifications(reason: str) -> Document:
    return {"toolExecutionNotifications": [{"level": "error", "message": {"text": reason}}]}


def _driver(evidence: Evidence, rules: Mapping[str, Finding]) -> Document:
    return {
        "name": evidence.tool.name,
        "version": evidence.tool.version,
        "rules": [
            {
                "id": rule,
                "shortDescription": {"text": rule},
                **({"helpUri": finding.link} if finding.link else {}),
                "defaultConfiguration": {"level": _LEVELS[finding.severity]},
            }
            for rule, finding in rules.items()
        ],
        "properties": {"rules": evidence.tool.rules},
    }


def _result(finding: Finding, rule_index: int, waivers: Sequence[Waiver], waived: Waived) -> Document:
    standing = [waiver for waiver in waivers if waiver.holds(waived.now)]
    about = {
        "security-severity": _SCORES[finding.severity],
        "severity": finding.severity.name.lower(),
        "package": finding.package,
        "installedVersion": finding.installed_version,
        "fixedIn": finding.fixed_in,
    }
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message or finding.rule},
        "locations": [_location(finding)] if finding.path else [],
        "partialFingerprints": {FINGERPRINT: finding.fingerprint},
        "baselineState": "new" if finding.is_new else "unchanged",
        "properties": {name: value for name, value in about.items() if value is not None},
        **({"suppressions": [_suppression(waiver) for waiver in standing]} if standing else {}),
    }


def _location(finding: Finding) -> Document:
    place: Document = {"artifactLocation": {"uri": _uri(finding.path or ""), "uriBaseId": "%SRCROOT%"}}
    if finding.line:
        place["region"] = {"startLine": finding.line}
    return {"physicalLocation": place}


def _uri(path: str) -> str:
    """A path as relative URI; what is no text can't be named there and becomes a question mark."""

    return quote(path, safe="/@+,=()!$&'*", errors="replace")


def _suppression(waiver: Waiver) -> Document:
    return {"kind": "external", "status": "accepted", "justification": f"waived {waiver.words} ({waiver.place})"}
