"""What a registry has beside an image proves only what trusted keys signed about that image."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.dsse import write_keys
from shopkart_pipeline.domain.attestation import ENVELOPE_MEDIA_TYPE, PROVENANCE, SBOM, VERIFICATION, Envelope
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.services.attach_envelope import attach_envelopes
from shopkart_pipeline.services.verify_image import verify_image
from shopkart_pipeline.verifier.claims import FALSE, MISSING, Claim, all_proved
from shopkart_pipeline.verifier.envelopes import read_keys
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor
from shopkart_pipeline_tests.fakes.proven_release import (
    ProvenRelease,
    bill,
    named,
    proven_release,
    provenance,
    verification,
)
from shopkart_pipeline_tests.fakes.world import World


@pytest.fixture
def own(tmp_path: Path) -> ProvenRelease:
    """A release whose statements are beside its image."""
    return proven_release(tmp_path)


def attach(proven: ProvenRelease, envelope: Envelope) -> None:
    digest = proven.world.digest(proven.release)
    attach_envelopes(proven.world.registry, "backend", digest, [(envelope, PROVENANCE)])


def claims(proven: ProvenRelease, source: str | None = None, digest: str | None = None) -> dict[str, Claim]:
    image = digest or proven.world.digest(proven.release)
    found = verify_image(
        proven.world.registry, "backend", image, read_keys(proven.keys), proven.world.clock.now(), source
    )
    return {each.name: each for each in found}


def test_an_image_with_signed_statements_is_proved(own: ProvenRelease) -> None:
    found = claims(own, "shopkart/storefront")

    assert all_proved(found.values())
    assert own.release.key in found["release"].reason


def test_an_image_without_statements_is_not_proved(tmp_path: Path) -> None:
    world = World(tmp_path)
    release = world.released()
    keys = read_keys(write_keys(FakeAttestor().keys.keys))

    found = verify_image(world.registry, "backend", world.digest(release), keys, world.clock.now())

    assert {claim.name for claim in found if claim.state == MISSING} == {
        "provenance", "SBOM", "verification summary", "release",
    }  # fmt: skip


def test_an_image_that_is_not_there_is_missing(own: ProvenRelease) -> None:
    assert claims(own, digest="sha256:" + "0" * 64)["registry"].state == MISSING


def test_a_registry_that_does_not_answer_proves_nothing(own: ProvenRelease, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> bool:
        raise ToolUnavailable("The registry does not answer.", "Wait.")

    monkeypatch.setattr(own.world.registry, "has", silent)

    assert list(claims(own).values()) == [Claim("registry", MISSING, "The registry does not answer.")]


def test_what_somebody_else_signed_or_nobody_does_not_count(own: ProvenRelease) -> None:
    attach(own, FakeAttestor().sign(own.statement(PROVENANCE, provenance(said(own)))))
    own.world.registry.attach("backend", own.world.digest(own.release), ENVELOPE_MEDIA_TYPE, b"none", {})

    reasons = [claim.reason for claim in claims(own).values() if claim.state == FALSE]

    assert reasons == ["no trusted key made its signature"]


def test_a_statement_that_is_replayed_from_another_image_does_not_count(own: ProvenRelease) -> None:
    other = replace(own.statement(PROVENANCE, provenance(said(own))), subject_digest="sha256:" + "b" * 64)
    attach(own, own.attestor.sign(other))

    assert any("it is about sha256:bbb" in claim.reason for claim in claims(own).values())


def test_a_later_release_of_the_same_image_takes_nothing_from_the_first(own: ProvenRelease) -> None:
    """Where no input changed the image is taken over: its statements are of both."""
    other = {**said(own), "release": "another"}
    attach(own, own.attestor.sign(own.statement(PROVENANCE, provenance(other))))

    found = claims(own)

    assert all_proved(found.values())
    assert (own.release.key in found["release"].reason, "another" in found["release"].reason) == (True, False)


def test_what_is_needed_has_to_be_there_for_one_release(own: ProvenRelease, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provenance of one and the verification of another do not make a third."""
    verified = own.statement(VERIFICATION, verification({**said(own), "release": "another"}, "sha256:policy"))
    envelopes = [own.attestor.sign(verified)]
    envelopes += [own.attestor.sign(own.statement(SBOM, bill({**said(own), "release": "another"})))]
    envelopes += [own.attestor.sign(own.statement(PROVENANCE, provenance(said(own))))]
    monkeypatch.setattr("shopkart_pipeline.services.verify_image.attached_envelopes", lambda *_: tuple(envelopes))

    assert claims(own)["release"].state == FALSE

    envelopes += [own.attestor.sign(own.statement(PROVENANCE, provenance({**said(own), "release": "another"})))]
    assert "release another," in claims(own)["release"].reason
    del envelopes[1]
    assert claims(own)["release"].state == MISSING


def test_two_repositories_contradict_each_other(own: ProvenRelease) -> None:
    attach(own, own.attestor.sign(own.statement(PROVENANCE, provenance({**said(own), "repository": "mallory/x"}))))

    assert claims(own)["release"] == Claim("release", FALSE, "statements name 2 values for repository, not one")


def test_another_source_than_the_one_that_is_asked_for_is_found(own: ProvenRelease) -> None:
    assert claims(own, "mallory/storefront")["provenance"].state == MISSING


def said(proven: ProvenRelease) -> Mapping[str, str]:
    return named(proven.world, proven.release)
