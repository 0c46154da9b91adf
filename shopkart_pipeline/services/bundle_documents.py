"""What is told of a release in a bundle: each document with its path, as its digest or its reader needs it.

What a record, a statement or the ledger names by digest is given byte for byte, or not at all: records and raw reports
are free of secrets since they were kept. What comes from outside without being named by digest (deliveries, notes,
incidents) has secrets masked, those that this process knows and whatever has the shape of one. What can't be given is
named in `missing.json` with a reason; the verifier misses it by itself.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import PipelineError, words_of
from shopkart_pipeline.domain.evidence import Report, StageRecord
from shopkart_pipeline.domain.incident import Incident
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.secret_shapes import MASK, without_secrets
from shopkart_pipeline.known_secrets import KNOWN, masked
from shopkart_pipeline.services.bundle_container import BundleFile, in_memory
from shopkart_pipeline.services.judge_release import judge_records, phases_before, stage_lines
from shopkart_pipeline.services.ledger_segment import LedgerSegment
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.verifier.bundle import ALLOWED_SIGNERS, DECLARATION, LEDGER, LEDGER_HEAD_FILE
from shopkart_pipeline.verifier.container import is_good_name

_SECRET = "a secret of this pipeline stands in it, and the digest that names it leaves no way to mask that"
_PAYLOAD, _WORKLOAD = "payload", "workload"
"""Where acts in the ledger name a report by digest."""


@dataclass
class Documents:
    """The files of a bundle so far, and what could not be given."""

    files: dict[str, BundleFile] = field(default_factory=dict[str, BundleFile])
    missing: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def add(self, path: str, content: bytes) -> None:
        if _holds_known_secret(content):
            self.lack(path, _SECRET)
        else:
            self.files[path] = in_memory(path, content)

    def lack(self, path: str, reason: str) -> None:
        self.missing.append((path, reason))


def add_delivery(platform: Platform, release: Release, documents: Documents) -> None:
    """The event that the release came with, without what has the shape of a secret: no digest names it."""
    delivery = platform.inbox.find(release.delivery_id)
    if delivery is None or not delivery.body:
        documents.lack("delivery.json", "the event is not kept, or its body was forgotten since")
        return
    told = {
        "id": delivery.id,
        "event": delivery.event,
        "received_at": delivery.received_at,
        "body": without_secrets_in(_read(delivery.body)),
    }
    documents.add("delivery.json", canonical_json(told))


def add_policy_texts(platform: Platform, release: Release, policy_text: bytes | None, documents: Documents) -> None:
    """The declaration that the policy is compiled from, and who may sign approvals."""
    if policy_text is None:
        documents.lack(DECLARATION, "the declaration's text is not kept, or was changed since it was read")
    else:
        documents.add(DECLARATION, policy_text)
    approvals = platform.deployment_of(platform.service(release.service), Phase.PRODUCTION).approvals
    signers = platform.pipeline.allowed_signers or (approvals.allowed_signers if approvals is not None else None)
    if signers is None:
        documents.lack(ALLOWED_SIGNERS, "no list of people who may sign is declared")
        return
    try:
        documents.add(ALLOWED_SIGNERS, signers.read_bytes())
    except OSError as error:
        documents.lack(ALLOWED_SIGNERS, f"the list of people can't be read: {words_of(error)}")


def add_records(
    platform: Platform, records: Mapping[str, StageRecord], others: Iterable[str], documents: Documents
) -> None:
    """What each stage left: its record, whose digest statements name, and its raw reports; and other reports by
    digest."""
    for digest in others:
        _add_report(platform, digest, documents)
    for stage, record in records.items():
        documents.add(f"records/{stage}.json", canonical_json(record))
        for report in record.result.reports:
            _add_report(platform, report.digest, documents)


def add_ledger(platform: Platform, segment: LedgerSegment, documents: Documents) -> None:
    """The ledger's part with its signed head, and the reports that its acts name."""
    lines = [
        canonical_json(
            {
                "sequence": entry.sequence,
                "previous_hash": entry.previous_hash,
                "entry_hash": entry.entry_hash,
                "document": entry.document,
            }
        )
        for entry in segment.entries
    ]
    documents.add(LEDGER, b"".join(line + b"\n" for line in lines))
    if segment.head is None:
        documents.lack(LEDGER_HEAD_FILE, "nothing at or behind the release's last entry is signed")
    else:
        documents.add(LEDGER_HEAD_FILE, segment.head.envelope)


def add_reports_of_acts(platform: Platform, release: Release, documents: Documents) -> None:
    """What acts in the ledger name by digest: the code host's word for an approval, what was run."""
    for entry in platform.ledger.entries(release.service, release.key):
        for name in (_WORKLOAD, _PAYLOAD):
            if digest := entry.act.body.get(name):
                _add_report(platform, digest, documents, may_hold_secrets=True)


def add_judgement(
    platform: Platform, release: Release, records: Mapping[str, StageRecord], documents: Documents
) -> list[dict[str, Any]]:
    """Every gate with value and limit, as today's declaration judges the evidence; returned for the page."""
    stages = phases_before(platform.service(release.service), Phase.PRODUCTION)
    known = {stage.name for stage in platform.service(release.service).stages}
    lines = [
        {
            "stage": line.stage,
            "gate": line.gate,
            "outcome": line.outcome,
            "reason": line.reason,
            "value": line.value,
            "limit": line.limit,
            "comparison": line.comparison,
            "waived": line.waived,
        }
        for stage, record in records.items()
        if stage in known
        for line in stage_lines(platform, release, record, records)
    ]
    verdict = judge_records(platform, release, stages, records)
    blocking = [line.line for line in verdict.blocking]
    told = {"at": platform.clock.now(), "verdict": verdict.outcome, "blocking": blocking, "lines": lines}
    documents.add("gates.json", canonical_json(told))
    return lines


def add_notes(platform: Platform, release: Release, documents: Documents) -> None:
    """What happened to the release outside of stages: the rollout's steps, the judge's opinions, refusals."""
    notes = platform.evidence.notes(release.service, release.key)
    documents.add("notes.json", _masked_document(notes))


def add_incidents(platform: Platform, release: Release, documents: Documents) -> tuple[Incident, ...]:
    """Incidents that suspect the release, with their postmortems and what was gathered; returned for the page."""
    name = release.service, release.key
    found = tuple(
        incident
        for incident in platform.incidents.list()
        if name
        in ((incident.service, incident.suspected_release), *((s.service, s.release_key) for s in incident.suspects))
    )
    for incident in found:
        folder = f"incidents/{incident.id}"
        documents.add(f"{folder}/incident.json", _masked_document(incident))
        for attached in platform.incidents.attached(incident.id):
            path = f"{folder}/attached/{attached}"
            if not is_good_name(path):
                documents.lack(folder, "something is attached under a name that no file can have")
                continue
            content = platform.incidents.attachment(incident.id, attached)
            documents.add(path, _masked_text(content))
    return found


def without_secrets_in(value: object) -> object:
    """JSON without what has the shape of a secret, in a text or beside the name that it stands under."""
    if isinstance(value, dict):
        told = cast(dict[str, object], value)
        return {name: _named(name, item) for name, item in told.items()}
    if isinstance(value, list):
        return [without_secrets_in(item) for item in cast(list[object], value)]
    return _masked(value) if isinstance(value, str) else value


def _named(name: str, value: object) -> object:
    if isinstance(value, str) and value and without_secrets(f"{name}={value}") != f"{name}={value}":
        return _masked(value) if _masked(value) != value else MASK
    return without_secrets_in(value)


def _masked_document(value: object) -> bytes:
    return canonical_json(without_secrets_in(json.loads(canonical_json(value))))


def _masked_text(content: bytes) -> bytes:
    """A text without what has the shape of a secret; what is no text, such as a picture, as it is."""
    try:
        return _masked(content.decode()).encode()
    except UnicodeDecodeError:
        return content


def _masked(text: str) -> str:
    """Without the secrets that this process knows by value, and without what has the shape of one."""
    return without_secrets(masked(text))


def _holds_known_secret(content: bytes) -> bool:
    return KNOWN.masked_bytes(content) != content


def _read(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def _add_report(platform: Platform, digest: str, documents: Documents, *, may_hold_secrets: bool = False) -> None:
    path = f"reports/sha256-{digest.removeprefix('sha256:')}"
    if path in documents.files:
        return
    try:
        content = platform.evidence.get_report(digest)
    except PipelineError as error:
        documents.lack(path, error.what)
        return
    if _holds_known_secret(content):
        documents.lack(path, _SECRET)
        return
    if may_hold_secrets and without_secrets_in(told := _read(content)) != told:
        documents.lack(path, "it holds what has the shape of a secret, and its digest leaves no way to mask that")
        return
    documents.files[path] = BundleFile(path, partial(_report, platform, digest))


def _report(platform: Platform, digest: str) -> Iterator[bytes]:
    """Read whenever it is asked for, so that no two reports are in memory at once."""
    yield platform.evidence.get_report(digest)


def reports_of(records: Mapping[str, StageRecord]) -> list[tuple[str, Report]]:
    """Every raw report with the stage that left it."""
    return [(stage, report) for stage, record in records.items() for report in record.result.reports]
