"""What a claim comes to when what it rests on is not there, or is something else.

The cases are modelled on those of slsa-verifier (another source, branch, builder's key, subject) and of
sigstore-conformance (stripped, exchanged, expired and misnamed signatures, another payload type).
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from shopkart_pipeline.adapters.dsse import write_keys
from shopkart_pipeline.adapters.sqlite_evidence import SqliteEvidenceStore
from shopkart_pipeline.adapters.sqlite_inbox import SqliteInbox
from shopkart_pipeline.adapters.sqlite_ledger import SqliteLedger
from shopkart_pipeline.domain.attestation import (
    LEDGER_HEAD,
    PROVENANCE,
    SBOM,
    STAGE_RESULT,
    TEST_RESULT,
    VERIFICATION,
    Envelope,
    EnvelopeSignature,
    Statement,
    pre_authentication_encoding,
    read_envelope,
)
from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import Evidence, StageRecord, Tool
from shopkart_pipeline.domain.policy import Gate
from shopkart_pipeline.domain.waiver import Waiver
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.pack_evidence import pack_evidence
from shopkart_pipeline.services.sign_ledger import sign_head
from shopkart_pipeline.verifier.claims import FALSE, MISSING, PROVED, Claim
from shopkart_pipeline.verifier.envelopes import Fault, Key, opened, read_keys
from shopkart_pipeline.verifier.release import verify
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor
from shopkart_pipeline_tests.fakes.proven_release import (
    ProvenRelease,
    bill,
    named,
    proven_release,
    provenance,
    released_in,
    stage_result,
    verification,
)
from shopkart_pipeline_tests.fakes.world import JONAS, MAYA, World
from shopkart_pipeline_tests.unit.verifier.test_tampering import files_of, with_manifest, written

IMAGE = "sha256:" + "a" * 64


@pytest.fixture
def own(tmp_path: Path) -> ProvenRelease:
    """A proven release of the test's own, to be spoiled."""
    return proven_release(tmp_path)


def test_what_real_stores_keep_is_proved(tmp_path: Path) -> None:
    world = World(
        tmp_path,
        evidence=SqliteEvidenceStore(tmp_path / "evidence"),  # type: ignore[arg-type]
        ledger=SqliteLedger(tmp_path / "ledger.db"),  # type: ignore[arg-type]
        inbox=SqliteInbox(tmp_path / "inbox.db"),  # type: ignore[arg-type]
    )

    found = claims(released_in(world))

    assert [claim for claim in found.values() if claim.state != PROVED] == []


def claims(proven: ProvenRelease, **options: Any) -> dict[str, Claim]:
    keys, now = read_keys(proven.keys), proven.world.clock.now()
    return {each.name: each for each in verify(BytesIO(proven.bundle()), keys, now, **options)}


def edit(proven: ProvenRelease, stage: str, change: Callable[[StageRecord], StageRecord]) -> None:
    """Somebody who can write to the store changes what a stage left."""
    proven.world.evidence.finish(change(proven.world.record(proven.release, stage)))


# What somebody changed in the store before the bundle was made, which the pipeline then signs.


def test_a_record_that_was_edited_after_it_was_signed_is_another_one(own: ProvenRelease) -> None:
    def better(record: StageRecord) -> StageRecord:
        assert isinstance(record.result, Evidence)
        return replace(record, result=replace(record.result, measures={"tests": 400, "failed": 0}))

    edit(own, "unit_tests", better)
    found = claims(own)

    assert found["record of unit_tests"] == Claim(
        "record of unit_tests", FALSE, "the record is another one than was signed"
    )
    assert found["approvals"].state == MISSING  # It was about other evidence.
    assert "another evidence" in found["approvals"].reason


def test_a_gate_that_fails_is_found_whatever_the_pipeline_said(own: ProvenRelease) -> None:
    def worse(record: StageRecord) -> StageRecord:
        assert isinstance(record.result, Evidence)
        return replace(record, result=replace(record.result, measures={"tests": 40, "failed": 2}))

    edit(own, "unit_tests", worse)

    assert claims(own)["gates of unit_tests"] == Claim("gates of unit_tests", FALSE, "failed: failed 2, has to be <= 0")


def test_evidence_that_is_missing_is_told_with_its_reason(own: ProvenRelease) -> None:
    from shopkart_pipeline.domain.evidence import EvidenceMissing

    edit(own, "lint", lambda record: replace(record, result=EvidenceMissing("ruff crashed")))

    assert claims(own)["gates of lint"] == Claim("gates of lint", MISSING, "there is no evidence: ruff crashed")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: replace(record, commit="b" * 40), "about commit bbb"),
        (lambda record: replace(record, subject_digest="sha256:other"), "about sha256:other"),
        (lambda record: replace(record, subject_digest=None), "about None"),
        (lambda record: replace(record, finished_at=record.finished_at + timedelta(hours=1)), "after production"),
        (lambda record: replace(record, finished_at=record.finished_at - timedelta(days=15)), "too old"),
    ],
)
def test_evidence_about_something_else_does_not_count(
    own: ProvenRelease, change: Callable[[StageRecord], StageRecord], reason: str
) -> None:
    edit(own, "image_scan", change)

    claim = claims(own)["gates of image_scan"]

    assert claim.state == FALSE
    assert reason in claim.reason


def test_a_raw_report_that_is_gone_or_was_changed_is_missed(own: ProvenRelease) -> None:
    report = own.world.record(own.release, "production").result.reports[0]
    del own.world.evidence.reports[report.digest]

    assert claims(own)["reports"].state == MISSING


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kept: kept[0].act.body.update(reason="another"),
        lambda kept: kept.pop(1),
        lambda kept: kept.insert(1, kept[0]),
        lambda kept: kept.reverse(),
    ],
    ids=["edited", "removed", "inserted", "reordered"],
)
def test_a_ledger_that_was_touched_is_found(own: ProvenRelease, spoil: Callable[[list[Any]], object]) -> None:
    kept = own.world.ledger.kept
    first = next(place for place, each in enumerate(kept) if each.act.service == "backend")
    about = [replace(each, act=replace(each.act, body=dict(each.act.body))) for each in kept[first:]]
    spoil(about)
    kept[first:] = about

    found = claims(own)

    assert {found[name].state for name in ("ledger chain", "ledger head", "approvals", "production")} != {PROVED}


def test_a_ledger_written_anew_has_no_signed_head(own: ProvenRelease) -> None:
    own.world.ledger.kept_heads.clear()

    found = claims(own)

    assert (found["ledger chain"].state, found["ledger head"].state) == (PROVED, MISSING)
    assert found["production"].state == MISSING


# People.


def test_the_author_can_not_be_the_approver(own: ProvenRelease) -> None:
    bundle = own.platform
    release = replace(own.release, people=(MAYA,))
    spoiled = replace(own, release=release)
    own.world.evidence._releases[release.service, release.key] = (
        release  # As somebody who can write to the store would.
    )

    found = {
        each.name: each for each in verify(BytesIO(spoiled.bundle(bundle)), read_keys(own.keys), own.world.clock.now())
    }

    assert found["approvals"].state == MISSING
    assert "four eyes" in found["approvals"].reason


def test_a_list_of_people_of_the_auditors_own_decides(own: ProvenRelease) -> None:
    found = claims(own, allowed=own.signers.read_bytes())["approvals"]
    assert (found.state, "by the list that was given" in found.reason) == (PROVED, True)
    assert "by the bundle's own list" in claims(own)["approvals"].reason
    assert "nobody in the list" in claims(own, allowed=b"")["approvals"].reason


def test_a_policy_that_asks_nobody_does_not_pass_beside_a_list_of_people(own: ProvenRelease) -> None:
    """Who can have anything signed may say that nobody was to be asked; who gives a list expects that somebody was."""
    deployment = own.world.pipeline.services["backend"].deployments["production"]
    nobody = replace(deployment, approvals=None)
    own.world.declare(
        "backend", lambda service: replace(service, deployments={**service.deployments, "production": nobody})
    )

    assert claims(own)["approvals"].reason == "the policy asks for no approval"
    assert claims(own, allowed=own.signers.read_bytes())["approvals"].state == MISSING


def test_a_key_that_had_ended_when_it_signed_does_not_count(own: ProvenRelease) -> None:
    principal, options, *rest = own.signers.read_text().split()
    line = " ".join([principal, f'{options},valid-before="20250101"', *rest])

    assert "nobody in the list" in claims(own, allowed=line.encode())["approvals"].reason


def test_an_approver_who_is_none_does_not_count(own: ProvenRelease) -> None:
    deployment = own.world.pipeline.services["backend"].deployments["production"]
    assert deployment.approvals is not None
    fewer = replace(deployment, approvals=replace(deployment.approvals, approvers=(JONAS,)))
    own.world.declare(
        "backend", lambda service: replace(service, deployments={**service.deployments, "production": fewer})
    )

    assert "not among the approvers" in claims(own)["approvals"].reason


# The policy, the image, the repository.


def test_a_policy_that_was_not_in_force_is_told(own: ProvenRelease) -> None:
    own.world.pipeline.file.write_bytes(b"version: 1\n")
    own.world.pipeline = replace(
        own.world.pipeline, digest="sha256:3e1ea5c4ecf7ad7ec8fd77fdd4f6bd9ce8cbb4f7b3c9b1ae5f7d2d1d0a4b2f61"
    )

    assert claims(own)["policy"].state == MISSING


def test_another_repository_than_the_auditors_is_found(own: ProvenRelease) -> None:
    assert claims(own, repository="shopkart/storefront")["contents"].state == PROVED
    assert claims(own, repository="mallory/storefront")["contents"].state == FALSE


def test_a_policy_with_fewer_gates_than_the_stage_was_judged_by_is_found(own: ProvenRelease) -> None:
    """Who can have the manifest signed can't leave out a gate: the stage's statement was signed with all of them."""
    fewer = [gate for gate in own.world.pipeline.services["backend"].gates if gate.name != "tests"]
    own.world.declare("backend", lambda service: replace(service, gates=tuple(fewer)))

    assert claims(own)["gates of unit_tests"] == Claim(
        "gates of unit_tests", FALSE, "the policy here has other gates than the stage was judged by: tests"
    )


def test_a_limit_that_is_not_the_one_that_the_stage_was_judged_by_is_found(own: ProvenRelease) -> None:
    """Nor can they make it looser afterwards."""

    def looser(gate: Gate) -> Gate:
        return replace(gate, rule=replace(gate.rule, limit=99)) if gate.name == "failed" else gate

    own.world.declare("backend", lambda service: replace(service, gates=tuple(map(looser, service.gates))))

    assert claims(own)["gates of unit_tests"] == Claim(
        "gates of unit_tests", FALSE, "the policy here has another limit than the stage was judged by: failed"
    )


def test_a_waiver_that_the_source_does_not_hold_counts_for_nothing(own: ProvenRelease) -> None:
    """The policy is as good as the manifest; the source's record was signed when it was made."""
    at = own.world.clock.now() + timedelta(days=1)
    waiver = Waiver("lint", "because", MAYA, at, "waivers.yaml:1", rule="E501", path="app.py")

    edit(own, "source", lambda record: replace(record, result=_with_waiver(record, waiver)))
    assert (claims(own)["gates of lint"].state, claims(own)["record of source"].state) == (PROVED, FALSE)

    policy = json.loads(files_of(own.bundle())["policy.json"])
    edit(own, "source", lambda record: replace(record, result=_with_waiver(record, None)))
    assert (
        _with_policy(own, policy)["gates of lint"].reason
        == "the policy here has a waiver that the source does not hold"
    )


def _with_waiver(record: StageRecord, waiver: Waiver | None) -> Evidence:
    assert isinstance(record.result, Evidence)
    return replace(record.result, waivers=() if waiver is None else (waiver,))


def _with_policy(own: ProvenRelease, policy: object) -> dict[str, Claim]:
    """The claims of a bundle with another policy, which the manifest that is signed does not cover."""
    content = written(with_manifest({**files_of(own.bundle()), "policy.json": canonical_json(policy)}))
    return {each.name: each for each in verify(BytesIO(content), read_keys(own.keys), own.world.clock.now())}


def test_an_approval_that_came_when_it_was_in_production_does_not_count(own: ProvenRelease) -> None:
    """Whatever the clock of whoever approved says: the ledger's order decides."""
    kept = own.world.ledger.kept
    [place] = [place for place, each in enumerate(kept) if each.act.verb == "approve"]
    approval, *others = [each.act for each in kept[place:]]
    del kept[place:]
    for act in (*others, approval):
        own.world.ledger.append(act)

    assert "had taken production before it" in claims(own)["approvals"].reason


def test_a_gate_that_fails_is_false_though_no_image_was_built(tmp_path: Path) -> None:
    world = World(tmp_path)
    release, content = world.merge(), BytesIO()
    world.scanners[StageKind.LINT].result = Evidence(Tool("ruff", "1"), "bad", {"new_violations": 1})
    for stage in ("source", "dependencies", "lint"):
        world.stage(release, stage)
    pack_evidence(world.platform, release, content)

    found = {each.name: each for each in verify(content, (), world.clock.now())}

    assert (found["gates of lint"].state, found["gates of unit_tests"].state) == (FALSE, MISSING)


def test_what_became_of_a_release_after_it_took_production_is_told(own: ProvenRelease) -> None:
    act = Act(
        own.world.clock.now(), MAYA, "turn_back", "backend", own.release.key, IMAGE, {"environment": "production"}
    )
    own.world.ledger.append(act)
    sign_head(own.platform)

    claim = claims(own)["production"]

    assert claim.state == PROVED
    assert claim.reason.endswith(f"later, as far as the ledger is here: turned back at {act.at.isoformat()}")


@pytest.mark.parametrize(
    ("verb", "words"), [("bootstrap", "taken over as it ran before"), ("turn_back", "turned back")]
)
def test_what_became_of_a_release_that_was_never_promoted_is_told(tmp_path: Path, verb: str, words: str) -> None:
    world = World(tmp_path)
    release, content = world.merge(), BytesIO()
    body = {"environment": "production", "commit": release.sha}
    world.ledger.append(Act(world.clock.now(), MAYA, verb, "backend", release.key, IMAGE, body))
    pack_evidence(world.platform, release, content)

    found = {each.name: each for each in verify(content, (), world.clock.now())}

    assert found["production"].state == MISSING
    assert f"it says: {words} by {MAYA} at" in found["production"].reason
    assert (found["reports"].state, found["gates of lint"].state) == (MISSING, MISSING)


def test_what_was_verified_before_production_has_to_be_here(own: ProvenRelease) -> None:
    """An attestation stage that ran again has other statements than those that the deployment verified."""
    edit(own, "attestations", lambda record: replace(record, result=replace(record.result, reports=())))

    claim = claims(own)["verification summary"]

    assert claim.state == MISSING
    assert "it rests on a statement that is not here" in claim.reason


def test_an_approval_that_the_verification_rested_on_has_to_be_in_the_ledger(own: ProvenRelease) -> None:
    [place] = [place for place, each in enumerate(own.world.ledger.kept) if each.act.verb == "approve"]
    entry = own.world.ledger.kept[place]
    own.world.ledger.kept[place] = replace(entry, entry_hash="0" * 64)

    claim = claims(own)["verification summary"]

    assert claim.state == FALSE
    assert f"entry {entry.entry_hash[:16]}" in claim.reason


# Statements.


def spoiled_statement(own: ProvenRelease, kind: str = PROVENANCE, **said: str) -> Statement:
    words = {**named(own.world, own.release), **said}
    predicate = {
        PROVENANCE: lambda: provenance(words),
        SBOM: lambda: bill(words),
        VERIFICATION: lambda: verification(words, own.world.pipeline.digest),
        STAGE_RESULT: lambda: stage_result(own.world.record(own.release, "lint"), words),
    }[kind]()
    return own.statement(kind, predicate)


@pytest.mark.parametrize("kind", [PROVENANCE, SBOM, VERIFICATION, STAGE_RESULT])
@pytest.mark.parametrize("word", ["service", "release", "repository", "branch", "commit"])
def test_a_statement_of_another_release_does_not_count(proven: ProvenRelease, kind: str, word: str) -> None:
    from shopkart_pipeline.verifier.envelopes import is_about

    envelope = proven.attestor.sign(spoiled_statement(proven, kind, **{word: "another"}))
    keys, now = read_keys(proven.keys), proven.world.clock.now()
    signed = opened(envelope.to_bytes(), keys, now)

    with pytest.raises(Fault, match=f"of another release: its {word} is 'another'"):
        is_about(signed, proven.world.digest(proven.release), named(proven.world, proven.release))


def test_a_statement_about_another_image_is_found_in_a_bundle(own: ProvenRelease) -> None:
    statement = replace(spoiled_statement(own), subject_digest=IMAGE)
    own.add_statement("other", statement)

    claim = claims(own)["attestation production/other.dsse.json"]

    assert (claim.state, claim.reason) == (FALSE, f"it is about {IMAGE}, and not about {own.world.digest(own.release)}")


@pytest.mark.parametrize(("days", "reason"), [(1, "of the future"), (-20, "too early for production")])
def test_a_statement_is_of_the_time_of_production(own: ProvenRelease, days: int, reason: str) -> None:
    at = (own.world.clock.now() + timedelta(days=days)).isoformat()
    own.add_statement("other", spoiled_statement(own, signed_at=at))

    assert reason in claims(own)["attestation production/other.dsse.json"].reason


def test_a_statement_signed_after_production_does_not_count(own: ProvenRelease) -> None:
    own.world.clock.advance(3600)
    own.add_statement("other", spoiled_statement(own))

    assert "when production was over" in claims(own)["attestation production/other.dsse.json"].reason


def test_a_summary_that_a_killed_worker_left_is_found_by_its_note(own: ProvenRelease) -> None:
    def lost(record: StageRecord) -> StageRecord:
        reports = tuple(each for each in record.result.reports if not each.name.startswith("verification-summary"))
        return replace(record, result=replace(record.result, reports=reports))

    edit(own, "production", lost)

    assert claims(own)["verification summary"].state == PROVED

    own.world.evidence._notes.clear()
    assert claims(own)["verification summary"].state == MISSING


def test_provenance_of_another_builder_does_not_count(own: ProvenRelease) -> None:
    other = provenance(named(own.world, own.release), builder="https://else.example/builder")
    own.add_statement("other", own.statement(PROVENANCE, other))

    reason = claims(own)["attestation production/other.dsse.json"].reason

    assert reason == "it names the builder 'https://else.example/builder'"


def test_a_stage_that_is_stated_as_failed_does_not_count(own: ProvenRelease) -> None:
    stated = stage_result(own.world.record(own.release, "lint"), named(own.world, own.release))
    own.add_statement("other", own.statement(STAGE_RESULT, {**stated, "outcome": "fail"}))

    assert claims(own)["record of lint"].reason == "the stage is stated as 'fail', and not as passed"


def test_a_verification_that_did_not_pass_is_told(own: ProvenRelease) -> None:
    failed = verification(named(own.world, own.release), own.world.pipeline.digest, "FAILED")
    own.add_statement("failed", own.statement(VERIFICATION, failed))

    assert claims(own)["verification summary"].state == FALSE


def test_tests_that_are_stated_as_failed_do_not_count(own: ProvenRelease) -> None:
    result = {**named(own.world, own.release), "result": "FAILED"}
    own.add_statement("other", own.statement(TEST_RESULT, result))

    assert claims(own)["attestation production/other.dsse.json"].reason == "it says that the tests did not pass"


def test_one_bill_twice_is_not_two(own: ProvenRelease) -> None:
    def without_application(record: StageRecord) -> StageRecord:
        reports = [each for each in record.result.reports if not each.name.startswith("application")]
        return replace(record, result=replace(record.result, reports=tuple(reports)))

    edit(own, "attestations", without_application)

    assert claims(own)["SBOM"] == Claim("SBOM", MISSING, "there is none of the application in it")


def test_a_statement_by_somebody_else_does_not_count(own: ProvenRelease) -> None:
    own.add_statement("other", spoiled_statement(own), by=FakeAttestor())

    claim = claims(own)["attestation production/other.dsse.json"]

    assert (claim.state, claim.reason) == (FALSE, "no trusted key made its signature")


# Envelopes, one by one.


def key_of(attestor: FakeAttestor) -> tuple[Key, ...]:
    return read_keys(write_keys(attestor.keys.keys))


def statement_bytes(**changed: object) -> bytes:
    told = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "backend", "digest": {"sha256": "a" * 64}}],
        "predicateType": STAGE_RESULT,
        "predicate": {"signed_at": "2025-03-04T12:00:00+00:00"},
    }
    return canonical_json({**told, **changed})


def envelope_of(attestor: FakeAttestor, payload: bytes, kind: str = "application/vnd.in-toto+json") -> dict[str, Any]:
    return json.loads(attestor.envelope(payload, kind).to_bytes())


def now_of(proven: ProvenRelease) -> Any:
    return proven.world.clock.now() + timedelta(days=1)


def test_an_envelope_is_opened_whatever_key_it_hints_at(proven: ProvenRelease) -> None:
    attestor = FakeAttestor()
    envelope = envelope_of(attestor, statement_bytes())
    envelope["signatures"][0]["keyid"] = "0" * 64

    assert opened(json.dumps(envelope).encode(), key_of(attestor), now_of(proven)).key_id == attestor.key.key_id


def test_an_envelope_may_have_letters_that_are_safe_in_addresses(proven: ProvenRelease) -> None:
    """DSSE: verifiers take either alphabet."""
    attestor = FakeAttestor()
    envelope = envelope_of(attestor, statement_bytes(subject=[{"name": "~?>~?>", "digest": {"sha256": "a" * 64}}]))
    signature = envelope["signatures"][0]
    other = {
        **envelope,
        "payload": envelope["payload"].translate(str.maketrans("+/", "-_")),
        "signatures": [{**signature, "sig": signature["sig"].translate(str.maketrans("+/", "-_"))}],
    }
    content = json.dumps(other).encode()

    assert other != envelope
    assert opened(content, key_of(attestor), now_of(proven)).key_id == attestor.key.key_id
    assert read_envelope(content) == read_envelope(json.dumps(envelope).encode())


def _other_keys_name(envelope: dict[str, Any]) -> dict[str, Any]:
    """Another key's signature under the name of one that is trusted."""
    forged = envelope_of(FakeAttestor(), statement_bytes())["signatures"][0]["sig"]
    return {**envelope, "signatures": [{**envelope["signatures"][0], "sig": forged}]}


BAD_ENVELOPES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "stripped": (lambda found: {**found, "signatures": []}, "carries no signature"),
    "another key under a trusted name": (_other_keys_name, "no trusted key"),
    "another payload": (lambda found: {**found, "payload": "e30="}, "no trusted key"),
    "another payload type": (lambda found: {**found, "payloadType": "text/plain"}, "no trusted key"),
    "no base64": (lambda found: {**found, "payload": "%%"}, "no signed statement"),
    "no payload": (lambda found: {**found, "payload": None}, "no signed statement"),
    "signatures without end": (lambda found: {**found, "signatures": found["signatures"] * 101}, "more than 100"),
    "signatures that are none": (lambda found: {**found, "signatures": "abc"}, "no signed statement"),
    "a list": (lambda found: [found], "no signed statement"),
    "a word": (lambda found: "envelope", "no signed statement"),
}


@pytest.mark.parametrize("case", BAD_ENVELOPES)
def test_a_bad_envelope_is_not_opened(proven: ProvenRelease, case: str) -> None:
    attestor = FakeAttestor()
    spoil, reason = BAD_ENVELOPES[case]
    content = json.dumps(spoil(envelope_of(attestor, statement_bytes()))).encode()

    with pytest.raises(Fault, match=reason):
        opened(content, key_of(attestor), now_of(proven))


BAD_PAYLOADS: dict[str, tuple[bytes, str]] = {
    "two subjects": (
        statement_bytes(subject=[{"name": "a", "digest": {"sha256": "a"}}, {"name": "b", "digest": {"sha256": "b"}}]),
        "about 2 subjects",
    ),
    "no subject": (statement_bytes(subject=[]), "about 0 subjects"),
    "another type of statement": (statement_bytes(_type="https://in-toto.io/Statement/v0.2"), "and not a statement"),
    "no moment": (statement_bytes(predicate={}), "does not say when"),
    "a moment without zone": (statement_bytes(predicate={"signed_at": "2025-03-04T12:00:00"}), "no signed statement"),
    "the end of time": (statement_bytes(predicate={"signed_at": "9999-12-31T23:59:59-12:00"}), "future|no signed"),
    "a predicate that is none": (statement_bytes(predicate=[]), "no signed statement"),
    "a name twice": (b'{"_type":"x",' + statement_bytes()[1:], "no signed statement"),
    "no JSON": (b"\xff\xfe", "no signed statement"),
    "deep": (b"[" * 100_000, "no signed statement"),
    "a number that is none": (statement_bytes()[:-1] + b',"x":NaN}', "no signed statement"),
    "a number that is cut": (statement_bytes()[:-1] + b',"x":0.' + b"0" * 400 + b"1e401}", "no signed statement"),
    "a number without end": (statement_bytes()[:-1] + b',"x":' + b"9" * 5000 + b"}", "no signed statement"),
}


@pytest.mark.parametrize("case", BAD_PAYLOADS)
def test_a_signed_payload_that_is_no_statement_does_not_count(proven: ProvenRelease, case: str) -> None:
    attestor = FakeAttestor()
    payload, reason = BAD_PAYLOADS[case]

    with pytest.raises(Fault, match=reason):
        opened(attestor.envelope(payload).to_bytes(), key_of(attestor), now_of(proven))


@pytest.mark.parametrize("fraction", ["", ".5", ".123456", ".123456789"])
def test_what_cosign_writes_is_read(proven: ProvenRelease, fraction: str) -> None:
    """The version before of a statement, and times of Go."""
    attestor = FakeAttestor()
    at = f"2025-03-04T12:00:00{fraction}Z"
    payload = statement_bytes(_type="https://in-toto.io/Statement/v0.1", predicate={"signed_at": at})

    signed = opened(attestor.envelope(payload).to_bytes(), key_of(attestor), now_of(proven))

    assert signed.at == datetime(2025, 3, 4, 12, 0, 0, int(f"{fraction[1:7]:0<6}"), UTC)


def test_a_payload_of_another_type_is_no_statement_though_it_is_signed(proven: ProvenRelease) -> None:
    attestor = FakeAttestor()
    content = attestor.envelope(statement_bytes(), "application/json").to_bytes()

    with pytest.raises(Fault, match="signed as 'application/json'"):
        opened(content, key_of(attestor), now_of(proven))


def test_an_unknown_type_of_predicate_does_not_count(own: ProvenRelease) -> None:
    own.add_statement("other", own.statement("https://else.example/v1", named(own.world, own.release)))

    assert "nothing is known" in claims(own)["attestation production/other.dsse.json"].reason


@pytest.mark.parametrize(("begins", "ends"), [(1, None), (-10, -5)])
def test_a_key_counts_only_in_its_time(proven: ProvenRelease, begins: int, ends: int | None) -> None:
    now = proven.world.clock.now()
    attestor = FakeAttestor(
        valid_from=now + timedelta(days=begins), valid_until=None if ends is None else now + timedelta(days=ends)
    )
    content = attestor.envelope(statement_bytes()).to_bytes()

    with pytest.raises(Fault, match="was not trusted when it was signed"):
        opened(content, key_of(attestor), now_of(proven))


def test_a_signature_of_the_last_key_counts_while_the_next_one_is_trusted_already(proven: ProvenRelease) -> None:
    last, following = FakeAttestor(), FakeAttestor()
    keys = read_keys(write_keys((following.key, last.key)))

    assert opened(last.envelope(statement_bytes()).to_bytes(), keys, now_of(proven)).key_id == last.key.key_id


def _signed_by(private: Any, signature: Callable[[bytes], bytes]) -> tuple[bytes, tuple[Key, ...]]:
    """An envelope by a key of any kind, and the list in which it is trusted."""
    public = private.public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    key = {"keyid": hashlib.sha256(der).hexdigest(), "public": pem.decode(), "valid_from": "2000-01-01T00:00:00Z"}
    payload = statement_bytes()
    encoded = pre_authentication_encoding("application/vnd.in-toto+json", payload)
    envelope = Envelope("application/vnd.in-toto+json", payload, (EnvelopeSignature("", signature(encoded)),))
    return envelope.to_bytes(), read_keys(json.dumps([key]).encode())


_P256, _P384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
_RSA, _SHORT_RSA = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 1024)
_SHA256 = hashes.SHA256()
_PSS = padding.PSS(padding.MGF1(_SHA256), padding.PSS.DIGEST_LENGTH)
KINDS: dict[str, tuple[Any, Callable[[bytes], bytes], bool]] = {
    "ECDSA on P-256": (_P256, lambda said: _P256.sign(said, ec.ECDSA(_SHA256)), True),
    "ECDSA on P-256 with SHA-1": (_P256, lambda said: _P256.sign(said, ec.ECDSA(hashes.SHA1())), False),
    "ECDSA on P-384": (_P384, lambda said: _P384.sign(said, ec.ECDSA(hashes.SHA384())), False),
    "RSA with PSS": (_RSA, lambda said: _RSA.sign(said, _PSS, _SHA256), True),
    "RSA with PKCS 1": (_RSA, lambda said: _RSA.sign(said, padding.PKCS1v15(), _SHA256), True),
    "RSA with SHA-1": (_RSA, lambda said: _RSA.sign(said, padding.PKCS1v15(), hashes.SHA1()), False),
    "RSA of 1024 bits": (_SHORT_RSA, lambda said: _SHORT_RSA.sign(said, padding.PKCS1v15(), _SHA256), False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_keys_are_those_that_the_pipeline_accepts(proven: ProvenRelease, kind: str) -> None:
    private, sign, accepted = KINDS[kind]
    content, keys = _signed_by(private, sign)

    if accepted:
        assert opened(content, keys, now_of(proven)).kind == STAGE_RESULT
    else:
        with pytest.raises(Fault, match="no trusted key"):
            opened(content, keys, now_of(proven))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda keys: [],
        lambda keys: {},
        lambda keys: [{**keys[0], "keyid": "0" * 64}],
        lambda keys: [{**keys[0], "public": "-----BEGIN PUBLIC KEY-----"}],
        lambda keys: [{**keys[0], "valid_from": "2025-01-01T00:00:00"}],
        lambda keys: [{**keys[0], "valid_from": None}],
    ],
)
def test_a_file_of_keys_that_is_odd_is_refused(spoil: Callable[[Any], object]) -> None:
    keys = json.loads(write_keys(FakeAttestor().keys.keys))

    with pytest.raises(Fault):
        read_keys(json.dumps(spoil(keys)).encode())


def test_a_head_of_another_ledger_proves_nothing(own: ProvenRelease) -> None:
    newest = own.world.ledger.newest()
    assert newest is not None
    statement = Statement(
        "ledger", IMAGE, LEDGER_HEAD, {"sequence": newest.sequence, "signed_at": "2025-03-04T12:00:00Z"}
    )
    head = own.world.ledger.kept_heads[-1]
    own.world.ledger.kept_heads[-1] = replace(head, envelope=own.attestor.sign(statement).to_bytes())

    assert claims(own)["ledger head"] == Claim(
        "ledger head", FALSE, f"the head that is signed is not entry {newest.sequence}"
    )
