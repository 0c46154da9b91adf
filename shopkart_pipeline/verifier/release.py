"""Is a release what its bundle claims? Statements, records, gates, policy, approvals, production."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from .bundle import (
    ALLOWED_SIGNERS,
    DECLARATION,
    Bundle,
    read_contents,
    read_documents,
    read_head,
    read_ledger,
    read_manifest,
    read_reports,
    report_path,
)
from .claims import FALSE, MISSING, PROVED, Claim, Fault
from .container import Container
from .documents import canonical, moment_of, parse, the_object, the_text
from .envelopes import (
    ENVELOPE_MEDIA_TYPE,
    PROVENANCE,
    SBOM,
    STAGE_RESULT,
    TEST_RESULT,
    TOLERANCE,
    VERIFICATION,
    Key,
    bills_are_there,
    is_about,
    is_there,
    opened,
    words_of_kind,
)
from .gates import are_those_of_then, declared_waivers, judged
from .people import signer_of

_PLACED = {
    "bootstrap": "taken over as it ran before",
    "roll_back": "brought back by a rollback",
    "turn_back": "turned back",
}


def verify(
    stream: BinaryIO,
    keys: tuple[Key, ...],
    now: datetime,
    *,
    allowed: bytes | None = None,
    repository: str | None = None,
) -> tuple[Claim, ...]:
    """Every claim of a bundle.

    Args:
        stream: the bundle.
        keys: the public keys that count, from anywhere but the bundle.
        now: the moment of looking; what is signed later is of the future.
        allowed: an allowed-signers file of the people who may approve; None: the one in the bundle, as far as the
            manifest is signed.
        repository: where the source has to be from; None: wherever the bundle says, everywhere alike.
    """
    try:
        container = Container(stream)
    except Fault as fault:
        return (Claim("container", FALSE, fault.reason), Claim("everything else", MISSING, "the container is broken"))
    bundle = Bundle(container, keys, now, allowed)
    bundle.claim("container", lambda: f"{len(container.files)} files, every byte is accounted for")
    if not bundle.claim("contents", lambda: read_contents(bundle, repository)):
        bundle.claims.append(Claim("everything else", MISSING, "the files are not those of the manifest"))
        return tuple(bundle.claims)
    bundle.claim("manifest", lambda: read_manifest(bundle))
    if bundle.claim("documents", lambda: read_documents(bundle)):
        bundle.claim("ledger chain", lambda: read_ledger(bundle))
        bundle.claim("ledger head", lambda: read_head(bundle))
        bundle.claim("reports", lambda: read_reports(bundle))
        _attestations(bundle)
        _stages(bundle)
        bundle.claim("policy", lambda: _policy(bundle))
        bundle.claim("approvals", lambda: _approvals(bundle))
        bundle.claim("production", lambda: _production(bundle))
    return tuple(bundle.claims)


def _attestations(bundle: Bundle) -> None:
    for stage, record in bundle.records.items():
        for report in record["result"]["reports"]:
            if report["media_type"] == ENVELOPE_MEDIA_TYPE:
                name = f"attestation {stage}/{report['name']}"
                at = moment_of(record["finished_at"])
                bundle.claim(name, lambda digest=report["digest"], at=at: _attestation(bundle, digest, at))
    for digest in bundle.policy["summaries"]:
        bundle.claim(f"attestation {digest[7:19]}", lambda digest=digest: _attestation(bundle, digest, None))
    bundle.claim(words_of_kind(PROVENANCE), lambda: is_there(bundle.signed, PROVENANCE))
    bundle.claim(words_of_kind(SBOM), lambda: bills_are_there(bundle.signed))
    bundle.claim(words_of_kind(VERIFICATION), lambda: _summary(bundle))


def _summary(bundle: Bundle) -> str:
    """What was verified before production has to be what is here: the statements and approvals that it names."""
    words = is_there(bundle.signed, VERIFICATION)
    summary = next(each for each in reversed(bundle.signed) if each.kind == VERIFICATION)
    inputs = [f"sha256:{the_text(each['digest']['sha256'])}" for each in summary.predicate.get("inputAttestations", [])]
    for digest in inputs:
        if report_path(digest) not in bundle.container.files:
            raise Fault(f"it rests on a statement that is not here: {digest}", MISSING)
    approvals = [the_text(each["ledger_entry"]) for each in summary.named.get("approvals", [])]
    for entry_hash in approvals:
        if entry_hash not in bundle.hashes:
            raise Fault(f"it rests on an approval that is not in the ledger here: entry {entry_hash[:16]}")
    return f"{words}; it rests on {len(inputs)} statements and {len(approvals)} approvals, which are here"


def _attestation(bundle: Bundle, digest: str, kept_at: datetime | None) -> str:
    signed = opened(bundle.container.read(report_path(digest)), bundle.keys, bundle.now, kept_at)
    is_about(signed, bundle.image, bundle.manifest)
    if signed.kind == PROVENANCE and signed.predicate["runDetails"]["builder"]["id"] != bundle.policy["builder"]:
        raise Fault(f"it names the builder {str(signed.predicate['runDetails']['builder']['id'])[:200]!r}")
    if signed.kind == TEST_RESULT and signed.predicate.get("result") != "PASSED":
        raise Fault("it says that the tests did not pass")
    begun, ended = bundle.production_at, bundle.production_ended_at
    if signed.at > ended + TOLERANCE:
        raise Fault(f"it was signed at {signed.at.isoformat()}, when production was over, at {ended.isoformat()}")
    if (begun - signed.at).total_seconds() > bundle.policy["maximum_age_seconds"]:
        raise Fault(f"it was signed at {signed.at.isoformat()}, too early for production at {begun.isoformat()}")
    bundle.signed.append(signed)
    return f"{words_of_kind(signed.kind)} of {signed.at.isoformat()}, key {signed.key_id[:16]}"


def _stages(bundle: Bundle) -> None:
    kinds = ("attestations", "staging_attestations")
    for stage in bundle.policy["stages"]:
        if stage["phase"] == "production":
            continue
        if stage["kind"] not in kinds:
            bundle.claim(f"record of {stage['name']}", lambda stage=stage: _attested(bundle, stage["name"]))
        bundle.claim(f"gates of {stage['name']}", lambda stage=stage: _gates(bundle, stage))


def _attested(bundle: Bundle, stage: str) -> str:
    stored = bundle.container.files.get(f"records/{stage}.json")
    if stored is None:
        raise Fault("the stage left no record", MISSING)
    about = [each for each in bundle.signed if each.kind == STAGE_RESULT and each.predicate.get("stage") == stage]
    if not about:
        raise Fault("no signed statement is about it", MISSING)
    found = [each for each in about if each.predicate.get("record") == f"sha256:{stored.sha256}"]
    if not found:
        raise Fault("the record is another one than was signed")
    outcome = found[-1].predicate.get("outcome")
    if outcome != "pass":
        raise Fault(f"the stage is stated as {str(outcome)[:50]!r}, and not as passed")
    return f"signed at {found[-1].at.isoformat()}"


def _gates(bundle: Bundle, stage: dict[str, Any]) -> str:
    name = stage["name"]
    record = bundle.records.get(name)
    if record is None:
        raise Fault("the stage left no record", MISSING)
    result = record["result"]
    if "measures" not in result:
        raise Fault(f"there is no evidence: {the_text(result['reason'])[:300]}", MISSING)
    _is_fit(bundle, stage, record)
    gates = [gate for gate in bundle.policy["gates"] if gate["stage"] == name]
    are_those_of_then(bundle, name, gates)
    waivers = [each for each in bundle.policy["waivers"] if each["stage"] == name]
    declared = declared_waivers(bundle)
    if any(each not in declared for each in waivers):
        raise Fault("the policy here has a waiver that the source does not hold")
    lines: list[str] = []
    for gate in gates:
        state, reason = judged(gate, result, waivers, bundle.production_at)
        if state != PROVED:
            raise Fault(f"{gate['name']}: {reason}", state)
        lines.append(f"{gate['name']}: {reason}")
    return bundle.vouched("; ".join(lines) or "the evidence is there")


def _is_fit(bundle: Bundle, stage: dict[str, Any], record: dict[str, Any]) -> None:
    """Raises `Fault` where a record can't count for the release: about something else, too old, or of the future."""
    if record["commit"] != bundle.manifest["commit"]:
        raise Fault(f"the evidence is about commit {record['commit']}")
    subject = record["subject_digest"]
    if (subject is not None or stage["about_image"]) and subject != bundle.image:
        raise Fault(f"the evidence is about {subject}, and not about {bundle.image}")
    made = moment_of(record["finished_at"] if record["reused"] is None else record["reused"]["produced_at"])
    at = bundle.production_at
    if made > at + TOLERANCE:
        raise Fault(f"the evidence is of {made.isoformat()}, after production was begun at {at.isoformat()}")
    if (at - made).total_seconds() > bundle.policy["maximum_age_seconds"]:
        raise Fault(f"the evidence is of {made.isoformat()}, too old for production at {at.isoformat()}")


def _policy(bundle: Bundle) -> str:
    digest = bundle.policy["declaration"]
    if DECLARATION not in bundle.container.files:
        raise Fault(f"the declaration that was in force ({digest}) is not in the bundle", MISSING)
    if f"sha256:{bundle.container.files[DECLARATION].sha256}" != digest:
        raise Fault("the declaration is another one than the policy is from")
    told = [each.predicate.get("policy", {}).get("digest", {}) for each in bundle.signed if each.kind == VERIFICATION]
    if not told:
        raise Fault("no signed verification says which policy was in force", MISSING)
    if f"sha256:{told[-1].get('sha256')}" != digest:
        raise Fault("the policy is not the one that was in force when production was begun", MISSING)
    left_out = ", ".join(each["stage"] for each in bundle.policy["left_out"])
    return bundle.vouched(f"{digest} was in force; it leaves out: {left_out or 'nothing'}")


def _approvals(bundle: Bundle) -> str:
    policy = bundle.policy["approvals"]
    if policy is None:
        if bundle.allowed is not None:
            raise Fault("the policy here asks for no approval, though a list of people was given", MISSING)
        return bundle.vouched("the policy asks for no approval")
    allowed = bundle.container.read(ALLOWED_SIGNERS) if bundle.allowed is None else bundle.allowed
    found: dict[str, datetime] = {}
    rejected: list[str] = []
    for number, act in bundle.acts:
        if act["verb"] == "approve":
            try:
                found[_approver(bundle, number, act, allowed)] = moment_of(act["at"])
            except Fault as fault:
                rejected.append(f"{str(act['actor'])[:80]}: {fault.reason}")
    if len(found) < policy["required"] or policy["required"] < 1:
        raise Fault("; ".join([f"{len(found)} of {policy['required']} are proved", *rejected]), MISSING)
    people = ", ".join(f"{person} at {at.isoformat()}" for person, at in sorted(found.items()))
    by = "the bundle's own list" if bundle.allowed is None else "the list that was given"
    return bundle.vouched(f"{people}; {policy['required']} needed; by {by} of people")


def _approver(bundle: Bundle, number: int, act: dict[str, Any], allowed: bytes) -> str:
    """The person behind an approval that counted when production was begun."""
    policy, body, at = bundle.policy["approvals"], act["body"], moment_of(act["at"])
    if "signature" not in body:
        raise Fault("it rests on the code host's word, which no public key can prove", MISSING)
    document = the_text(body["statement"])
    person = signer_of(document.encode(), the_text(body["signature"]), allowed, at)
    statement, promoted = the_object(parse(document.encode())), bundle.promotion
    before = {name: _record_digest(bundle, name) for name in bundle.policy["stages_before"]}
    wanted = {
        "service": bundle.manifest["service"],
        "release_key": bundle.manifest["release"],
        "environment": bundle.policy["environment"],
        "digest": bundle.image,
        "evidence": f"sha256:{hashlib.sha256(canonical(before)).hexdigest()}",
    }
    if promoted is not None and promoted[1]["body"].get("configuration") is not None:
        wanted["configuration"] = promoted[1]["body"]["configuration"]
    for name, value in wanted.items():
        if statement.get(name) != value:
            raise Fault(f"it is about another {name}")
    if person != act["actor"] or person not in policy["approvers"]:
        raise Fault(f"{person} is not among the approvers, or another one than the ledger names")
    if policy["four_eyes"]:
        if bundle.policy["writers"] is None:
            raise Fault("who wrote the release is not known, so four eyes can't be proved", MISSING)
        if person.casefold() in {the_text(each).casefold() for each in bundle.policy["writers"]}:
            raise Fault(f"{person} wrote part of it (four eyes)")
    begun = bundle.production_at
    ends = min(moment_of(statement["expires_at"]), at + timedelta(seconds=policy["expires_after_seconds"]))
    if at > begun + TOLERANCE or ends <= begun:
        raise Fault(f"it counted from {at.isoformat()} until {ends.isoformat()}, not when production was begun")
    if promoted is not None and number > promoted[0]:
        raise Fault("the release had taken production before it")
    if promoted is not None and number <= bundle.turned_back_before(promoted[0]):
        raise Fault("the release was turned back after it")
    return person


def _record_digest(bundle: Bundle, stage: str) -> str:
    stored = bundle.container.files.get(f"records/{stage}.json")
    return "missing" if stored is None else f"sha256:{stored.sha256}"


def _production(bundle: Bundle) -> str:
    promoted, environment = bundle.promotion, bundle.policy["environment"]
    if promoted is None:
        placed = [act for _, act in bundle.acts if act["verb"] in _PLACED]
        here = [act for act in placed if act["body"].get("environment") == environment]
        told = ", ".join(f"{_PLACED[act['verb']]} by {str(act['actor'])[:80]} at {act['at']}" for act in here)
        what = f"the ledger does not say that it was promoted to {environment}"
        raise Fault(f"{what}; it says: {told or 'nothing'}", MISSING)
    number, act = promoted
    if act["digest"] != bundle.image or act["body"].get("commit") != bundle.manifest["commit"]:
        raise Fault(f"entry {number} promoted {act['digest']}, and not {bundle.image} of this commit")
    if not bundle.is_proved("ledger head"):
        raise Fault(f"entry {number} says so, and no signed head of the ledger proves it", MISSING)
    acts = [each for position, each in bundle.acts if position > number]
    later = ", ".join(f"{_PLACED.get(each['verb'], each['verb'])} at {each['at']}" for each in acts)
    return f"{bundle.image} took it at {act['at']}; later, as far as the ledger is here: {later or 'nothing'}"
