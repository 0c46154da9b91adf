"""The page by which an auditor reads a bundle: one file without script, style sheet or picture from elsewhere.

Everything in it was written by somebody else (titles, names, findings), so all of it is escaped, and the page allows
itself nothing but its own style. It tells what is claimed and where the evidence lies; it does not say that anything is
proved, because a page in a bundle can say whatever its writer likes. The verifier says that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

from shopkart_pipeline.domain.attestation import ENVELOPE_MEDIA_TYPE
from shopkart_pipeline.domain.evidence import Evidence, StageRecord
from shopkart_pipeline.domain.incident import Incident
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.secret_shapes import without_secrets
from shopkart_pipeline.known_secrets import masked
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.ports.ledger import Act

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid #d0d7de}
table{border-collapse:collapse;width:100%;margin:1rem 0}caption{text-align:left;color:#57606a;padding-bottom:.4rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .7rem .35rem 0;border-bottom:1px solid #eaeef2}
td{overflow-wrap:anywhere}code{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
.pass{color:#116329}.fail{color:#a40e26;font-weight:600}.missing{color:#7d4e00;font-weight:600}.skipped{color:#57606a}
.notice{border-left:4px solid #0969da;background:#f0f6fc;padding:.7rem 1rem}
a{color:#0550ae}@media print{body{max-width:none}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class Told:
    """What the page tells of."""

    release: Release
    image: str | None
    records: Mapping[str, StageRecord]
    policy: Mapping[str, Any]
    gates: Sequence[Mapping[str, Any]]
    acts: Sequence[Act]
    notes: Sequence[Note]
    incidents: Sequence[Incident]
    missing: Sequence[tuple[str, str]]
    exported_at: datetime


class _Markup(str):
    """Text that is markup already; any other text is escaped where it is put in."""


def page(told: Told) -> bytes:
    """The page as UTF-8."""
    name = escape(told.release.name)
    body = "\n".join(
        [
            f"<h1>Evidence: {name}</h1>",
            _introduction(told),
            _section("Claims", _claims(told)),
            _section("People", _people(told)),
            _section("Gates", _gates(told)),
            _section("Timeline", _timeline(told)),
            _section("Signed statements", _statements(told)),
            _section("Raw reports", _reports(told)),
            _section("Waivers", _waivers(told)),
            _section("Incidents", _incidents(told)),
            _section("What is not in this bundle", _missing(told)),
        ]
    )
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        f'<meta name="viewport" content="width=device-width"><title>Evidence: {name}</title><style>{_STYLE}</style>'
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'.encode()


def _introduction(told: Told) -> str:
    release = told.release
    rows = [
        ("Title", release.title),
        ("Author", f"{release.author.name} <{release.author.email}>"),
        ("Repository", f"{release.repository}, branch {release.branch}"),
        ("Commit", _code(release.sha)),
        ("Image", _code(told.image or "none was built")),
        ("Policy", _code(told.policy["declaration"])),
        ("Written", _at(told.exported_at)),
    ]
    notice = (
        '<p class="notice">This page shows what is claimed. Whether it is proved says the verifier alone, taken from '
        "somewhere else than this bundle, with keys that you have from somewhere else: <code>python verifier BUNDLE "
        "--keys attestation-keys.json</code>, or <code>shopkart verify BUNDLE</code>.</p>"
    )
    return notice + _table("The release", (), rows)


def _claims(told: Told) -> str:
    rows = [
        ("Nothing in this file was changed since it was written", "manifest.json, manifest.dsse.json", "signature"),
        ("The image was built from this commit by this pipeline", "SLSA provenance, below", "signature, digest"),
        ("What the image is made of", "CycloneDX SBOM, below", "signature, digest"),
        ("Every stage found what its record says", "records/, one statement each", "signature, digest of the record"),
        ("Every gate passed", "records/, policy.json", "judged again from the record"),
        ("The policy was the declared one", "declaration.yaml, policy.json", "digest in the signed verification"),
        ("People who wrote none of it agreed", "ledger/entries.jsonl, allowed_signers", "SSH signature, four eyes"),
        ("It was brought to production", "ledger/entries.jsonl", "chain of hashes up to a signed head"),
    ]
    return _table("What this bundle claims, where that stands, and what proves it", ("claim", "where", "by"), rows)


def _timeline(told: Told) -> str:
    events: list[tuple[datetime, str, str]] = [(told.release.received_at, "received", f"by {told.release.actor}")]
    events += [(each.started_at, f"{name} began", f"run {each.run_id}") for name, each in told.records.items()]
    events += [(each.finished_at, f"{name} ended", _summary(each)) for name, each in told.records.items()]
    events += [(act.at, act.verb.replace("_", " "), f"{act.actor} {_reason(act)}") for act in told.acts]
    events += [(note.at, note.kind, note.message) for note in told.notes]
    rows = [(_at(at), what, details) for at, what, details in sorted(events, key=lambda each: each[0])]
    return _table("Everything that happened to it, oldest first", ("at (UTC)", "what", "details"), rows)


def _gates(told: Told) -> str:
    rows = [
        (line["stage"], line["gate"], _state(line["outcome"]), _number(line["value"]), _limit(line), line["reason"])
        for line in told.gates
    ]
    caption = "Every gate, as the declaration judges the evidence that is here"
    return _table(caption, ("stage", "gate", "outcome", "value", "limit", "in words"), rows)


def _people(told: Told) -> str:
    approvals = told.policy["approvals"]
    writers = told.policy["writers"]
    rows = [
        ("Wrote part of it, or merged it", ", ".join(writers) if writers is not None else "can't be told any more"),
        ("May approve", ", ".join(approvals["approvers"]) if approvals else "nobody is asked"),
        ("Approvals that it takes", str(approvals["required"]) if approvals else "0"),
        ("Own work can be approved", "no (four eyes)" if approvals and approvals["four_eyes"] else "yes"),
        *((act.verb.replace("_", " "), f"{act.actor} at {act.at.isoformat()}") for act in told.acts),
    ]
    return _table("Who did, and who may", ("what", "who"), rows)


def _statements(told: Told) -> str:
    rows = [
        (stage, report.name, _link(report.digest), str(report.size_bytes))
        for stage, record in told.records.items()
        for report in record.result.reports
        if report.media_type == ENVELOPE_MEDIA_TYPE
    ]
    return _table("in-toto statements in DSSE envelopes", ("stage", "name", "file", "bytes"), rows)


def _reports(told: Told) -> str:
    rows = [
        (stage, report.name, report.media_type, _link(report.digest), str(report.size_bytes))
        for stage, record in told.records.items()
        for report in record.result.reports
        if report.media_type != ENVELOPE_MEDIA_TYPE
    ]
    return _table("What the tools wrote", ("stage", "name", "type", "file", "bytes"), rows)


def _waivers(told: Told) -> str:
    rows = [(each.stage, each.finding or each.rule or "", each.words, each.place) for each in told.policy["waivers"]]
    return _table("Findings that somebody answers for", ("stage", "finding", "who, until when, why", "place"), rows)


def _incidents(told: Told) -> str:
    rows = [
        (each.id, each.severity.value, each.reason, f"incidents/{each.id}/", _at(each.opened_at))
        for each in told.incidents
    ]
    return _table("Incidents that suspect it", ("incident", "severity", "reason", "folder", "opened (UTC)"), rows)


def _missing(told: Told) -> str:
    return _table("Whatever rests on it is not proved", ("what", "why"), told.missing)


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["".join(f"<td>{_cell(cell)}</td>" for cell in row) for row in rows]
    if not lines:
        return f"<p>{escape(caption)}: none.</p>"
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(f"<tr>{line}</tr>\n" for line in lines)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"


def _cell(cell: str) -> str:
    return cell if isinstance(cell, _Markup) else escape(without_secrets(masked(cell)))


def _code(text: str) -> str:
    return _Markup(f"<code>{escape(text)}</code>")


def _link(digest: str) -> str:
    path = f"reports/sha256-{digest.removeprefix('sha256:')}"
    return _Markup(f'<a href="{escape(path)}"><code>{escape(digest)}</code></a>')


def _state(outcome: str) -> str:
    return _Markup(f'<span class="{escape(outcome)}">{escape(outcome)}</span>')


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _limit(line: Mapping[str, Any]) -> str:
    return "" if line["limit"] is None else f"{line['comparison'] or ''} {line['limit']:g}"


def _summary(record: StageRecord) -> str:
    result = record.result
    said = result.summary if isinstance(result, Evidence) else f"no evidence: {result.reason}"
    tool = "" if result.tool is None else f" ({result.tool.name} {result.tool.version})"
    reused = "" if record.reused is None else f", taken over from {record.reused.release_key}"
    return f"{said}{tool}{reused}"


def _reason(act: Act) -> str:
    return ", ".join(f"{name}: {act.body[name]}" for name in ("environment", "reason") if name in act.body)


def _at(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d\N{NO-BREAK SPACE}%H:%M:%S}"
