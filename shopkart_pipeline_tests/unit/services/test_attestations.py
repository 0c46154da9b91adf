"""What is signed about a release, and how production refuses all that does not prove it.

The negative cases are those of slsa-verifier: wrong key, changed bytes, another subject, another source, branch or
builder, another release's statement, one that has expired, one that is missing.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.domain.attestation import (
    ENVELOPE_MEDIA_TYPE,
    PROVENANCE,
    SBOM,
    STAGE_RESULT,
    TEST_RESULT,
    VERIFICATION,
    Envelope,
    Statement,
    read_envelope,
    read_statement,
)
from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.declaration import Phase, Service
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.signable import signable
from shopkart_pipeline.domain.signed_moment import RELEASE_FIELD, claims_of, moment_of
from shopkart_pipeline.domain.verdict import Verdict
from shopkart_pipeline.known_secrets import know
from shopkart_pipeline.ports.confinement import Confined, NotConfined
from shopkart_pipeline.services.attach_envelope import attached_envelopes
from shopkart_pipeline.services.attest_phase import attest_phase
from shopkart_pipeline.services.authorise_deploy import Authorisation, authorise_deploy
from shopkart_pipeline.services.judge_release import MAXIMUM_EVIDENCE_AGE_SECONDS
from shopkart_pipeline.services.roll_back import roll_back
from shopkart_pipeline.services.summarise_verification import summarise_verification
from shopkart_pipeline.services.verify_attestations import attestation_lines, provenance_line
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor
from shopkart_pipeline_tests.fakes.memory_evidence import MemoryEvidenceStore
from shopkart_pipeline_tests.fakes.world import World, a_component

SIGNING = ("attestations", "staging_attestations")


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.sign_statements()
    return world


@pytest.fixture
def release(world: World) -> Release:
    """A release that has been through staging, and that somebody has approved."""
    release = staged(world)
    world.approve(release)
    return release


def staged(world: World) -> Release:
    release = world.merge()
    for phase in (Phase.CI, Phase.STAGING):
        outcomes = world.run(release, phase)
        assert outcomes[-1].passed, outcomes[-1].record.result
    return release


def records(world: World, release: Release) -> Mapping[str, StageRecord]:
    return world.evidence.latest("backend", release.key)


def evidence(world: World, release: Release, stage: str = "attestations") -> Evidence:
    result = records(world, release)[stage].result
    assert isinstance(result, Evidence), result
    return result


def envelopes(world: World, release: Release, stage: str = "attestations") -> dict[str, Envelope]:
    return {
        report.name.removesuffix(".dsse.json"): read_envelope(world.evidence.get_report(report.digest))
        for report in evidence(world, release, stage).reports
    }


def statements(world: World, release: Release, stage: str = "attestations") -> dict[str, Statement]:
    return {name: read_statement(each.payload) for name, each in envelopes(world, release, stage).items()}


def keep(world: World, release: Release, changed: Mapping[str, Envelope], stage: str = "attestations") -> None:
    """The evidence store is edited: of this stage it has these envelopes now, and looks well."""
    kept = {**envelopes(world, release, stage), **changed}
    reports = tuple(
        world.evidence.put_report(RawReport(f"{name}.dsse.json", ENVELOPE_MEDIA_TYPE, each.to_bytes()))
        for name, each in kept.items()
    )
    record = records(world, release)[stage]
    world.evidence.finish(replace(record, result=replace(evidence(world, release, stage), reports=reports)))


def lines(world: World, release: Release) -> list[str]:
    return attestation_lines(world.platform, release, world.digest(release), records(world, release))


def refused(world: World, release: Release) -> str:
    with pytest.raises(Refused) as refusal:
        authorise_deploy(world.platform, release)
    return refusal.value.what


def test_that_commands_could_reach_keys_is_said_in_the_evidence_and_signed(world: World) -> None:
    world.confinement = NotConfined("this system does not allow it")
    release = staged(world)

    assert "Commands are not confined here: this system does not allow it." in evidence(world, release).notes
    built = statements(world, release)["provenance"].predicate["buildDefinition"]
    assert built["internalParameters"]["commands"] == "not confined: this system does not allow it"


def test_what_each_phase_established_is_stated_about_the_image(world: World, release: Release) -> None:
    digest = world.digest(release)
    in_ci, in_staging = statements(world, release), statements(world, release, "staging_attestations")

    assert set(in_ci) == {
        "provenance", "image-sbom", "application-sbom", "source", "dependencies", "lint", "unit_tests",
        "unit_tests-result", "application", "image", "image_scan", "published_image",
    }  # fmt: skip
    assert set(in_staging) == {
        "staging", "integration_tests", "integration_tests-result", "acceptance_tests", "acceptance_tests-result",
    }  # fmt: skip
    for statement in (*in_ci.values(), *in_staging.values()):
        assert statement.subject_digest == digest
        said = claims_of(statement)
        assert [said[name] for name in ("service", "release", "repository", "branch", "commit")] == [
            "backend", release.key, release.repository, "main", release.sha,
        ]  # fmt: skip
    assert {each.predicate_type for each in in_ci.values()} == {PROVENANCE, SBOM, STAGE_RESULT, TEST_RESULT}


def test_the_signer_would_sign_each_of_them(world: World, release: Release) -> None:
    signed = world.attestor.signed if world.attestor else []

    assert signed
    for statement in signed:
        assert signable(statement.to_bytes(), moment_of(statement)).predicate_type == statement.predicate_type


def test_provenance_says_from_what_by_whom_and_with_what(world: World, release: Release) -> None:
    predicate = statements(world, release)["provenance"].predicate
    definition, details = predicate["buildDefinition"], predicate["runDetails"]

    external = definition["externalParameters"]
    assert (external["repository"], external["ref"], external["commit"], external["declaration"]) == (
        release.repository,
        "refs/heads/main",
        release.sha,
        "sha256:policy",
    )
    assert set(external["stages"]) >= {"unit_tests", "image", "attestations"}
    [source, *others] = definition["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": release.sha}
    assert {"uri": "pkg:pypi/starlette@0.37.2"} in others
    assert details["builder"]["id"] == "https://shopkart.example/builders/pipeline/v1"
    assert details["metadata"]["invocationId"] == records(world, release)["image"].run_id


@pytest.mark.parametrize(
    ("hashes", "said"),
    [
        ((), {}),
        ((f"sha256:{'c' * 64}",), {"digest": {"sha256": "c" * 64}}),
        ((f"sha256:{'d' * 64}", f"sha256:{'c' * 64}"), {"annotations": {"lockedSha256": ["c" * 64, "d" * 64]}}),
    ],
)
def test_a_package_has_a_digest_where_its_lock_leaves_no_choice(
    world: World, hashes: tuple[str, ...], said: dict[str, Any]
) -> None:
    package = a_component().package
    world.application_builder.lock = {package: replace(a_component(), places=(), hashes=hashes)}
    release = world.merge()
    world.run(release, Phase.CI)

    definition = statements(world, release)["provenance"].predicate["buildDefinition"]

    assert {"uri": "pkg:pypi/starlette@0.37.2", **said} in definition["resolvedDependencies"]


def test_a_secret_is_masked_before_it_is_signed(world: World) -> None:
    """Base64 hides it from whoever reads the registry's copy, and masking it there would break the envelope."""
    planted = "correct-horse-7-battery"
    know(planted)
    package = replace(a_component().package, name=planted)
    world.application_builder.lock = {package: replace(a_component(), package=package, places=())}
    release = staged(world)

    payloads = [each.payload for each in attached_envelopes(world.registry, "backend", world.digest(release))]

    assert payloads
    assert not [payload for payload in payloads if planted.encode() in payload]
    assert any(b"[redacted]" in payload for payload in payloads)
    assert lines(world, release) == []


def test_a_lock_is_named_as_git_has_it_and_not_as_a_build_left_it(world: World) -> None:
    release = world.merge({"backend/app.py": "x = 1\n", "backend/requirements.lock": "starlette==0.37.2\n"})
    world.run(release, Phase.CI, [stage for stage in _names(world) if stage != "attestations"])
    for lock in (world.folder / "home").rglob("requirements.lock"):
        lock.chmod(0o600)
        lock.write_text("evil==1\n")
    world.stage(release, "attestations")

    definition = statements(world, release)["provenance"].predicate["buildDefinition"]
    [lock] = [each for each in definition["resolvedDependencies"] if "requirements.lock" in each.get("name", "")]

    assert lock["digest"] == {"sha256": hashlib.sha256(b"starlette==0.37.2\n").hexdigest()}


def _names(world: World) -> list[str]:
    return [stage.name for stage in world.pipeline.services["backend"].stages]


def test_a_stage_s_statement_names_its_record_its_gates_and_its_reports(world: World, release: Release) -> None:
    predicate = statements(world, release)["unit_tests"].predicate

    assert predicate["record"] == digest_of(records(world, release)["unit_tests"])
    assert predicate["outcome"] == "pass"
    assert {gate["gate"] for gate in predicate["gates"]} == {"failed", "tests"}
    assert predicate["measures"] == {"tests": 40, "failed": 0}


def test_every_envelope_is_beside_the_image_too(world: World, release: Release) -> None:
    attached = attached_envelopes(world.registry, "backend", world.digest(release))
    kept = {each.payload for stage in SIGNING for each in envelopes(world, release, stage).values()}

    assert {each.payload for each in attached} == kept
    assert evidence(world, release).measures["attached"] == len(envelopes(world, release))


def test_a_registry_that_keeps_nothing_beside_an_image_is_told_of_and_stops_nobody(world: World) -> None:
    def attach(*_: object) -> str:
        raise ToolUnavailable("A registry of kind bare keeps nothing beside an image.", "")

    world.registry.attach = attach  # type: ignore[method-assign]
    release = staged(world)

    [note] = evidence(world, release).notes
    assert "Not, or not all, beside the image in the registry: provenance" in note
    assert evidence(world, release).measures["attached"] == 0
    assert lines(world, release) == []


def test_where_a_cluster_looks_is_only_what_it_is_to_verify(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """policy-controller fetches all that is there whenever a pod starts, and its webhook has ten seconds."""
    kept: list[Mapping[bytes, str]] = []

    def keep(_repository: str, _digest: str, envelopes: Mapping[bytes, str]) -> None:
        kept.append(envelopes)

    monkeypatch.setattr(world.registry, "keep_for_cosign", keep)
    release = staged(world)
    world.approve(release)
    assert world.stage(release, "production").passed

    assert [sorted(each.values()) for each in kept] == [[SBOM, SBOM, PROVENANCE], [VERIFICATION]]


def test_without_a_signer_there_is_no_evidence(world: World) -> None:
    world.attestor = None
    release = world.merge()

    outcome = world.run(release, Phase.CI)[-1]

    assert outcome.record.stage == "attestations"
    assert isinstance(outcome.record.result, EvidenceMissing)
    assert "nobody signs here" in outcome.record.result.reason


def test_where_nothing_was_established_nothing_is_signed_and_that_is_said(world: World, release: Release) -> None:
    stage = world.pipeline.services["backend"].stage("staging_attestations")
    nothing = replace(world.platform, evidence=MemoryEvidenceStore())

    ran = attest_phase(nothing, release, stage, world.digest(release))

    assert isinstance(ran.result, EvidenceMissing)
    assert "no stage before this one in its phase has a result" in ran.result.reason


def test_a_signer_that_nobody_trusts_is_found_out_before_anything_is_kept(world: World) -> None:
    assert world.attestor is not None
    world.attestor.keys = FakeAttestor().keys
    release = world.merge()

    result = world.run(release, Phase.CI)[-1].record.result

    assert isinstance(result, EvidenceMissing)
    assert "No trusted key made this signature" in result.reason
    assert not result.reports
    assert not attached_envelopes(world.registry, "backend", world.digest(release))


def test_a_pull_request_has_nothing_that_could_be_signed(world: World) -> None:
    world.merge()
    release = world.proposed()
    world.run(release, Phase.CI)

    assert "attestations" not in records(world, release)
    with pytest.raises(Refused, match="never published"):
        world.stage(release, "attestations")


def test_what_is_proved_goes_to_production_with_a_signed_summary(world: World, release: Release) -> None:
    assert lines(world, release) == []
    outcome = world.stage(release, "production")

    assert outcome.passed, outcome.record.result
    [summary] = [report for report in outcome.record.result.reports if report.media_type == ENVELOPE_MEDIA_TYPE]
    statement = read_statement(read_envelope(world.evidence.get_report(summary.digest)).payload)
    assert (statement.predicate_type, statement.subject_digest) == (VERIFICATION, world.digest(release))
    assert statement.predicate["verificationResult"] == "PASSED"
    assert statement.predicate["verifiedLevels"] == ["SLSA_BUILD_LEVEL_1"]
    named = {each["digest"]["sha256"] for each in statement.predicate["inputAttestations"]}
    kept = {report.digest for stage in SIGNING for report in evidence(world, release, stage).reports}
    assert {f"sha256:{each}" for each in named} == kept
    [approval] = statement.predicate[RELEASE_FIELD]["approvals"]
    [entry] = [each for each in world.ledger.entries("backend", release.key) if each.act.verb == "approve"]
    assert approval == {"approver": entry.act.actor, "ledger_entry": entry.entry_hash}
    assert signable(statement.to_bytes(), moment_of(statement)) == statement


def test_the_summary_names_what_was_verified_whatever_the_store_shows_by_then(world: World, release: Release) -> None:
    authorised = authorise_deploy(world.platform, release)
    verified = {report.digest for stage in SIGNING for report in evidence(world, release, stage).reports}
    record = records(world, release)["attestations"]
    world.evidence.finish(replace(record, result=replace(record.result, reports=())))

    [raw, *_] = summarise_verification(world.platform, release, "production", authorised)

    named = read_statement(read_envelope(raw.content).payload).predicate["inputAttestations"]
    assert {f"sha256:{each['digest']['sha256']}" for each in named} == verified


def test_without_a_signed_summary_nothing_is_rolled_out(world: World, release: Release) -> None:
    assert world.attestor is not None
    world.attestor = Failing(world.attestor)

    result = world.stage(release, "production").record.result

    assert isinstance(result, EvidenceMissing)
    assert "is away" in result.reason
    assert world.cluster.observe("production", "backend").stable is None


class Failing(FakeAttestor):
    """Verifies, and does not sign any more."""

    def __init__(self, former: FakeAttestor) -> None:
        super().__init__()
        self.keys = former.keys

    def sign(self, statement: Statement) -> Envelope:
        raise ToolUnavailable("The signer is away.", "Start it.")


def test_a_service_that_leaves_signing_out_has_nothing_to_verify(tmp_path: Path) -> None:
    world = World(tmp_path)
    release = staged(world)
    world.approve(release)

    assert lines(world, release) == []
    assert world.stage(release, "production").passed


# What does not prove a release.


def test_a_wrong_key(world: World, release: Release) -> None:
    stranger = FakeAttestor()
    honest = statements(world, release)["provenance"]
    keep(world, release, {"provenance": stranger.sign(honest)})

    assert "provenance.dsse.json: No trusted key made this signature" in refused(world, release)


def test_a_changed_byte(world: World, release: Release) -> None:
    envelope = envelopes(world, release)["image_scan"]
    payload = envelope.payload.replace(b'"outcome":"pass"', b'"outcome":"PASS"')
    assert payload != envelope.payload
    keep(world, release, {"image_scan": replace(envelope, payload=payload)})

    assert "image_scan.dsse.json: No trusted key made this signature" in refused(world, release)


def test_bytes_that_are_no_envelope(world: World, release: Release) -> None:
    record = records(world, release)["attestations"]
    broken = world.evidence.put_report(RawReport("lint.dsse.json", ENVELOPE_MEDIA_TYPE, b"{}"))
    reports = tuple(broken if each.name == broken.name else each for each in evidence(world, release).reports)
    world.evidence.finish(replace(record, result=replace(evidence(world, release), reports=reports)))

    told = lines(world, release)

    assert any("lint.dsse.json: This is no signed envelope" in line for line in told)
    assert "attestations: no statement about stage lint" in told


@pytest.mark.parametrize("missing", ["provenance", "image-sbom", "image_scan", "unit_tests-result"])
def test_a_missing_one(world: World, release: Release, missing: str) -> None:
    record = records(world, release)["attestations"]
    reports = tuple(each for each in evidence(world, release).reports if each.name != f"{missing}.dsse.json")
    world.evidence.finish(replace(record, result=replace(evidence(world, release), reports=reports)))

    wanted = {
        "provenance": "no provenance",
        "image-sbom": "no bill of materials of the image",
        "image_scan": "no statement about stage image_scan",
        "unit_tests-result": "no statement that the tests of unit_tests passed",
    }
    assert lines(world, release) == [f"attestations: {wanted[missing]}"]
    assert wanted[missing] in refused(world, release)


def test_one_that_the_evidence_store_has_lost(world: World, release: Release) -> None:
    [lost] = [report for report in evidence(world, release).reports if report.name == "provenance.dsse.json"]
    del world.evidence.reports[lost.digest]

    assert any("provenance.dsse.json" in line for line in lines(world, release))


def resigned(change: Callable[[dict[str, Any]], None]) -> Callable[[World, Release], None]:
    """Our own key signs the provenance, which says something else."""

    def act(world: World, release: Release) -> None:
        assert world.attestor is not None
        honest = statements(world, release)["provenance"]
        predicate = json.loads(json.dumps(honest.predicate))
        change(predicate)
        keep(world, release, {"provenance": world.attestor.sign(replace(honest, predicate=predicate))})

    return act


def external(**values: str) -> Callable[[World, Release], None]:
    return resigned(lambda predicate: predicate["buildDefinition"]["externalParameters"].update(values))


def another_subject(world: World, release: Release) -> None:
    assert world.attestor is not None
    honest = statements(world, release)["provenance"]
    other = replace(honest, subject_digest=f"sha256:{'0' * 64}")
    keep(world, release, {"provenance": world.attestor.sign(other)})


@pytest.mark.parametrize(
    ("act", "named"),
    [
        (another_subject, "is about the image sha256:0000"),
        (external(repository="mallory/storefront"), "is about repository mallory/storefront, not shopkart/storefront"),
        (external(branch="feature"), "is about branch feature, not main"),
        (external(commit="f" * 40), f"is about commit {'f' * 40}"),
        (external(service="frontend"), "is about service frontend, not backend"),
        (external(release="20200101-000000-ffffffffffff"), "is about release 20200101-000000-ffffffffffff, not"),
        (
            resigned(lambda said: said["runDetails"]["builder"].update(id="https://elsewhere.example")),
            "names builder https://elsewhere.example",
        ),
        (
            resigned(lambda said: said["runDetails"]["metadata"].update(finishedOn="2099-01-01T00:00:00+00:00")),
            "is of the future",
        ),
        (resigned(lambda said: said["runDetails"]["metadata"].pop("finishedOn")), "does not say when it was signed"),
    ],
)
def test_one_about_something_else_although_our_key_signed_it(
    world: World, release: Release, act: Callable[[World, Release], None], named: str
) -> None:
    act(world, release)

    told = refused(world, release)

    assert named in told
    assert "attestations: no provenance" in told


def test_a_replayed_statement_of_another_release_of_the_same_image(world: World, release: Release) -> None:
    later = staged(world)
    keep(world, later, envelopes(world, release))

    told = lines(world, later)

    assert any("lint.dsse.json is about" in line for line in told)
    assert "attestations: no statement about stage lint" in told


def test_one_that_has_expired(world: World, release: Release) -> None:
    world.clock.advance(MAXIMUM_EVIDENCE_AGE_SECONDS + 60)

    assert any("provenance.dsse.json has expired" in line for line in lines(world, release))


def test_one_of_a_key_that_was_not_trusted_then(world: World, release: Release) -> None:
    assert world.attestor is not None
    ended = replace(world.attestor.key, valid_until=world.attestor.key.valid_from.replace(year=2001))
    world.attestor.keys = replace(world.attestor.keys, keys=(ended,))

    assert "was not trusted at" in refused(world, release)


def test_an_edited_record_in_the_evidence_store(world: World, release: Release) -> None:
    record = records(world, release)["image_scan"]
    assert isinstance(record.result, Evidence)
    world.evidence.finish(replace(record, result=replace(record.result, summary="looks well")))

    assert lines(world, release) == [
        "attestations: the record of image_scan in the evidence store is not the one that was signed"
    ]


def test_an_edited_record_of_staging(world: World, release: Release) -> None:
    record = records(world, release)["acceptance_tests"]
    assert isinstance(record.result, Evidence)
    world.evidence.finish(replace(record, run_id="another"))

    assert "staging_attestations: the record of acceptance_tests" in refused(world, release)


def test_a_stage_that_is_run_again_has_to_be_signed_again(world: World, release: Release) -> None:
    world.stage(release, "acceptance_tests")
    assert "the record of acceptance_tests" in refused(world, release)

    world.stage(release, "staging_attestations")
    world.approve(release)

    assert authorise_deploy(world.platform, release).digest == world.digest(release)


def test_nobody_who_verifies(world: World, release: Release) -> None:
    platform = replace(world.platform, envelopes=None)

    told = attestation_lines(platform, release, world.digest(release), records(world, release))

    assert "attestations: missing: nobody verifies signatures here" in told


# Back again.


def in_production(world: World) -> list[Release]:
    releases: list[Release] = []
    for _ in range(2):
        release = staged(world)
        world.approve(release)
        assert world.stage(release, "production").passed
        releases.append(release)
    return releases


def doubts(world: World, release: Release) -> list[str]:
    notes = world.evidence.notes("backend", release.key, "rollout")
    return [note.message for note in notes if "not proved" in note.message]


def test_a_rollback_goes_to_what_was_proved_however_old_it_is(world: World) -> None:
    first, _ = in_production(world)
    world.clock.advance(MAXIMUM_EVIDENCE_AGE_SECONDS + 60)

    assert roll_back(world.platform, "backend", "maya", "broken", "run-x").release_key == first.key
    assert doubts(world, first) == []


def test_a_rollback_to_what_can_not_be_proved_says_so_and_goes_on(world: World) -> None:
    first, _ = in_production(world)
    assert world.attestor is not None
    keep(world, first, {"provenance": FakeAttestor().sign(statements(world, first)["provenance"])})

    assert roll_back(world.platform, "backend", "maya", "broken", "run-x").release_key == first.key
    [doubt] = doubts(world, first)
    assert "No trusted key made this signature" in doubt


def test_what_was_released_before_anybody_signed_is_told_as_that(tmp_path: Path) -> None:
    world = World(tmp_path)
    release = staged(world)
    world.sign_statements()

    assert provenance_line(world.platform, release, world.digest(release)) == "nobody signed its provenance"


def options(**said: str) -> Callable[[Service], Service]:
    """The declaration says this of the stage that signs."""

    def changed(service: Service) -> Service:
        stages = (replace(each, options=said) if each.name == "attestations" else each for each in service.stages)
        return replace(service, stages=tuple(stages))

    return changed


def test_the_declaration_may_name_the_builder(world: World) -> None:
    world.declare("backend", options(builder_id="https://build.shop.example/v2"))
    release = staged(world)

    details = statements(world, release)["provenance"].predicate["runDetails"]
    assert details["builder"]["id"] == "https://build.shop.example/v2"
    assert lines(world, release) == []


@pytest.mark.parametrize(
    ("declared", "confinement", "claimed"),
    [
        ("2", NotConfined("off"), "SLSA_BUILD_LEVEL_2"),
        ("3", NotConfined("off"), "SLSA_BUILD_LEVEL_2"),
        ("3", Confined("in namespaces"), "SLSA_BUILD_LEVEL_3"),
        ("4", Confined("in namespaces"), "SLSA_BUILD_LEVEL_1"),
    ],
)
def test_a_level_is_claimed_as_declared_as_far_as_keys_are_out_of_reach(
    world: World, declared: str, confinement: Confined | NotConfined, claimed: str
) -> None:
    world.confinement = confinement
    world.declare("backend", options(build_level=declared))
    release = staged(world)
    authorised = Authorisation(world.digest(release), Verdict(()), ())

    [raw] = summarise_verification(world.platform, release, "production", authorised)

    assert read_statement(read_envelope(raw.content).payload).predicate["verifiedLevels"] == [claimed]
