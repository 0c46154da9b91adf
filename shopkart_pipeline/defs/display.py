"""Evidence and gates as Dagster metadata: words, numbers and tables for people. Never a secret; never too long."""

from collections.abc import Mapping

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetKey,
    MetadataValue,
    PathMetadataValue,
    TableColumn,
    TableRecord,
    TableSchema,
)

from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import GateResult, Outcome
from shopkart_pipeline.services.run_stage import StageOutcome

MAXIMUM_FINDINGS = 50
_SCHEMA = TableSchema(
    columns=[TableColumn(name) for name in ("severity", "rule", "where", "message", "fixed in", "new")]
)


def record_metadata(release: Release, outcome: StageOutcome, log: str) -> dict[str, MetadataValue]:
    """Who, what, when, which digest, which report."""
    record = outcome.record
    shown: dict[str, MetadataValue] = {
        "release": MetadataValue.text(release.name),
        "commit": MetadataValue.text(release.sha),
        "change": MetadataValue.text(f"{release.title} ({release.author.name})"),
        "duration_seconds": MetadataValue.float(record.duration_seconds),
        "log": PathMetadataValue(log),
    }
    if record.reused is not None:
        shown["reused_from_run"] = MetadataValue.dagster_run(record.reused.run_id)
        shown["reused_from"] = MetadataValue.text(
            f"release {record.reused.release_key}, {record.reused.produced_at.isoformat()}: the same inputs"
        )
    if record.inputs:
        shown["inputs"] = MetadataValue.json(dict(record.inputs))
    if record.subject_digest is not None:
        shown["image"] = MetadataValue.text(record.subject_digest)
    return shown | _result_metadata(record)


def _result_metadata(record: StageRecord) -> dict[str, MetadataValue]:
    match record.result:
        case EvidenceMissing(reason=reason):
            return {"missing": MetadataValue.text(reason)}
        case Evidence() as evidence:
            return _evidence_metadata(evidence)


def _evidence_metadata(evidence: Evidence) -> dict[str, MetadataValue]:
    tool = " ".join(part for part in (evidence.tool.name, evidence.tool.version, evidence.tool.rules) if part)
    shown: dict[str, MetadataValue] = {
        "summary": MetadataValue.text(evidence.summary),
        "tool": MetadataValue.text(tool),
    }
    shown |= {name: MetadataValue.float(float(value)) for name, value in evidence.measures.items()}
    shown |= {f"fact: {name}": MetadataValue.text(value) for name, value in evidence.facts.items() if value}
    if evidence.notes:
        shown["notes"] = MetadataValue.md("\n".join(f"- {note}" for note in evidence.notes))
    if evidence.findings:
        shown["findings"] = _findings_table(evidence.findings)
        shown["findings_count"] = MetadataValue.int(len(evidence.findings))
    if evidence.reports:
        lines = [f"- {each.name}: `{each.digest}` ({each.size_bytes} bytes)" for each in evidence.reports]
        shown["reports"] = MetadataValue.md("\n".join(lines))
    return shown


def _findings_table(findings: tuple[Finding, ...]) -> MetadataValue:
    worst = sorted(findings, key=lambda finding: (not finding.is_new, -finding.severity.effective))[:MAXIMUM_FINDINGS]
    records = [
        TableRecord(
            {
                "severity": finding.severity.name.lower(),
                "rule": finding.rule,
                "where": _where(finding),
                "message": finding.message[:300],
                "fixed in": finding.fixed_in or "",
                "new": "yes" if finding.is_new else "no",
            }
        )
        for finding in worst
    ]
    return MetadataValue.table(records, schema=_SCHEMA)


def _where(finding: Finding) -> str:
    if finding.package:
        return f"{finding.package} {finding.installed_version or ''}".strip()
    return f"{finding.path or ''}:{finding.line}" if finding.line else finding.path or ""


def check_name(gate: str, stage: str, shown_at: str) -> str:
    """The name of a gate's check; a stage that is left out is shown at the checkout under its own name."""
    return gate if stage == shown_at else f"skipped_{stage}"


def check_result(key: AssetKey, gate: GateResult) -> AssetCheckResult:
    """One gate as an asset check, with its value and limit."""
    metadata: Mapping[str, str | float] = {
        "outcome": gate.outcome.value,
        "reason": gate.reason,
        **({"value": float(gate.value)} if gate.value is not None else {}),
        **({"limit": float(gate.limit)} if gate.limit is not None else {}),
        **({"waived": "\n".join(gate.waived)} if gate.waived else {}),
    }
    skipped = gate.outcome is Outcome.SKIPPED
    return AssetCheckResult(
        passed=gate.outcome is Outcome.PASS,
        asset_key=key,
        check_name=check_name(gate.gate, gate.stage, key.path[-1]),
        severity=AssetCheckSeverity.WARN if skipped else AssetCheckSeverity.ERROR,
        description=gate.reason,
        metadata=metadata,
    )
