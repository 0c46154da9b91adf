"""Everything about one release becomes one file that proves itself: `shopkart evidence`.

The order matters. What is told is gathered and measured first; the manifest names every file with its digest; the
pipeline's signer signs the manifest, so that nothing can be left out, added or exchanged; then all is written, each
file read once more and compared with its measure. The page and the copy of the verifier are in the manifest like
everything else. Where nobody signs, the bundle says so, and what would rest on the signature is missing.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any, BinaryIO

from shopkart_pipeline import verifier
from shopkart_pipeline.domain.attestation import EVIDENCE_BUNDLE, Statement
from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.bundle_container import Measured, in_memory, measure, write_container
from shopkart_pipeline.services.bundle_documents import (
    Documents,
    add_delivery,
    add_incidents,
    add_judgement,
    add_ledger,
    add_notes,
    add_policy_texts,
    add_records,
    add_reports_of_acts,
)
from shopkart_pipeline.services.bundle_page import Told, page
from shopkart_pipeline.services.bundle_policy import policy_document
from shopkart_pipeline.services.judge_release import image_digest
from shopkart_pipeline.services.keep_policy import declaration_text
from shopkart_pipeline.services.ledger_segment import segment
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.release_statements import about
from shopkart_pipeline.verifier.bundle import FORMAT, MANIFEST, POLICY, RELEASE, SIGNED_MANIFEST


@dataclass(frozen=True)
class Packed:
    """What was written."""

    files: int
    size_bytes: int
    signed_by: str | None
    """The key that signed the manifest; None: nobody signs here."""
    missing: tuple[tuple[str, str], ...]
    """What could not be given, and why."""


def verifier_files() -> dict[str, bytes]:
    """The stand-alone verifier, as it is copied into every bundle."""
    folder = files(verifier)
    found = {f"verifier/{each.name}": each.read_bytes() for each in folder.iterdir() if each.name.endswith(".py")}
    return dict(sorted(found.items()))


def verifier_hashes() -> str:
    """A line for each file of the stand-alone verifier, as `sha256sum` writes and checks them."""
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in verifier_files().items())


def pack_evidence(platform: Platform, release: Release, stream: BinaryIO) -> Packed:
    """Write the bundle of a release.

    Raises:
        ToolUnavailable: the signer does not answer.
        PipelineError: the store changed meanwhile, or what it holds can't be in a bundle.
    """
    now = platform.clock.now()
    records = platform.evidence.latest(release.service, release.key)
    documents = _gathered(platform, release, records, now)
    measured = [measure(each) for each in documents.files.values()]
    manifest = in_memory(MANIFEST, canonical_json(_manifest(platform, release, records, measured, now)))
    measured.append(measure(manifest))
    signed_by = None
    if platform.attestor is not None:
        statement = _statement(release, measured[-1].sha256, now)
        envelope = platform.attestor.sign(statement)
        signed_by = envelope.signatures[0].key_id
        measured.append(measure(in_memory(SIGNED_MANIFEST, envelope.to_bytes())))
    write_container(measured, stream)
    return Packed(len(measured), stream.tell(), signed_by, tuple(documents.missing))


def _gathered(platform: Platform, release: Release, records: Mapping[str, StageRecord], now: datetime) -> Documents:
    documents = Documents()
    production = platform.service(release.service).stage_of(StageKind.PRODUCTION)
    record = records.get(production.name) if production is not None else None
    policy = policy_document(platform, release, records, record.started_at if record is not None else now)
    documents.add(RELEASE, canonical_json(release))
    documents.add(POLICY, canonical_json(policy))
    for name, content in verifier_files().items():
        documents.add(name, content)
    add_delivery(platform, release, documents)
    add_policy_texts(platform, release, declaration_text(platform), documents)
    add_records(platform, records, policy["summaries"], documents)
    gates = add_judgement(platform, release, records, documents)
    chain = segment(platform, release.service, release.key)
    add_ledger(platform, chain, documents)
    add_reports_of_acts(platform, release, documents)
    add_notes(platform, release, documents)
    incidents = add_incidents(platform, release, documents)
    if platform.attestor is None:
        documents.lack(SIGNED_MANIFEST, "nobody signs here")
    missing = [{"what": what, "why": why} for what, why in documents.missing]
    documents.add("missing.json", canonical_json(missing))
    told = Told(
        release,
        image_digest(platform.service(release.service), records),
        records,
        policy,
        gates,
        tuple(entry.act for entry in platform.ledger.entries(release.service, release.key)),
        platform.evidence.notes(release.service, release.key),
        incidents,
        tuple(documents.missing),
        now,
    )
    documents.add("index.html", page(told))
    return documents


def _manifest(
    platform: Platform,
    release: Release,
    records: Mapping[str, StageRecord],
    measured: list[Measured],
    now: datetime,
) -> dict[str, Any]:
    listed = sorted(measured, key=lambda each: each.file.path)
    return {
        "format": FORMAT,
        "service": release.service,
        "release": release.key,
        "repository": release.repository,
        "branch": release.branch,
        "commit": release.sha,
        "image": image_digest(platform.service(release.service), records),
        "exported_at": now,
        "files": [{"path": each.file.path, "size": each.size_bytes, "sha256": each.sha256} for each in listed],
    }


def _statement(release: Release, manifest_sha256: str, now: datetime) -> Statement:
    """What the signer is asked to sign: this manifest is the pipeline's, about this release."""
    return Statement(MANIFEST, f"sha256:{manifest_sha256}", EVIDENCE_BUNDLE, about(release, now))
