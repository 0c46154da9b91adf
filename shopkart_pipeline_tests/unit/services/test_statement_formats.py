"""What is stated is what the reference libraries of in-toto, DSSE and CycloneDX understand."""

import json
from collections.abc import Mapping
from typing import Any

import in_toto_attestation.v1.statement_pb2 as statement_format
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement as ReferenceStatement
from securesystemslib.dsse import Envelope as ReferenceEnvelope
from securesystemslib.signer import SSlibKey

from shopkart_pipeline.adapters.dsse import load_public
from shopkart_pipeline.domain.attestation import (
    PROVENANCE,
    SBOM,
    STAGE_RESULT,
    TEST_RESULT,
    VERIFICATION,
    Statement,
)
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.signed_moment import RELEASE_FIELD
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor
from shopkart_pipeline_tests.fakes.world import World


@pytest.fixture(scope="module")
def attestor(tmp_path_factory: pytest.TempPathFactory) -> FakeAttestor:
    """Who has signed all about a release that is in production."""
    world = World(tmp_path_factory.mktemp("world"))
    attestor = world.sign_statements()
    release = world.merge()
    for phase in (Phase.CI, Phase.STAGING):
        world.run(release, phase)
    world.approve(release)
    assert world.stage(release, "production").passed
    return attestor


@pytest.fixture(scope="module")
def stated(attestor: FakeAttestor) -> Mapping[str, list[Statement]]:
    """By type of predicate."""
    kinds = {PROVENANCE, SBOM, TEST_RESULT, STAGE_RESULT, VERIFICATION}
    found = {kind: [each for each in attestor.signed if each.predicate_type == kind] for kind in kinds}
    assert all(found.values())
    return found


def without_ours(predicate: Mapping[str, Any]) -> str:
    """A predicate without the extension that the framework allows under a name that is a URI."""
    return json.dumps({name: value for name, value in predicate.items() if name != RELEASE_FIELD}, default=list)


def test_statements_are_in_toto_s(attestor: FakeAttestor) -> None:
    for statement in attestor.signed:
        read = json_format.Parse(statement.to_bytes().decode(), statement_format.Statement())
        ReferenceStatement.copy_from_pb(read).validate()


def test_envelopes_are_those_of_securesystemslib(attestor: FakeAttestor) -> None:
    envelope = ReferenceEnvelope.from_dict(json.loads(attestor.envelope(attestor.signed[0].to_bytes()).to_bytes()))
    key = SSlibKey.from_crypto(load_public(attestor.key.public_pem), attestor.key.key_id)

    assert list(envelope.verify([key], 1)) == [attestor.key.key_id]


def test_provenance_has_the_fields_of_slsa_and_no_others(stated: Mapping[str, list[Statement]]) -> None:
    [statement] = stated[PROVENANCE]

    read = json_format.Parse(without_ours(statement.predicate), provenance_pb2.Provenance())

    assert read.run_details.builder.id == "https://shopkart.example/builders/pipeline/v1"
    for each in read.build_definition.resolved_dependencies:
        ResourceDescriptor.copy_from_pb(each).validate()


def test_the_verification_summary_has_the_fields_of_slsa_and_no_others(stated: Mapping[str, list[Statement]]) -> None:
    """The library takes one level as a text where SLSA has a list of them."""
    [statement] = stated[VERIFICATION]
    [level] = statement.predicate["verifiedLevels"]
    predicate = {**statement.predicate, "verifiedLevels": level}

    read = json_format.Parse(without_ours(predicate), vsa_pb2.VerificationSummary())

    assert (read.verification_result, read.slsa_version) == ("PASSED", "1.0")


def test_results_of_tests_have_the_fields_of_in_toto_and_no_others(stated: Mapping[str, list[Statement]]) -> None:
    for statement in stated[TEST_RESULT]:
        read = json_format.Parse(without_ours(statement.predicate), test_result_pb2.TestResult())

        assert read.result == "PASSED"


def test_a_bill_stays_a_bill_with_the_release_in_it(stated: Mapping[str, list[Statement]]) -> None:
    for statement in stated[SBOM]:
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(statement.predicate)) is None
