"""Entries that name a person carry what that person signed, and an invented one is found."""

from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.authenticate import Credentials, authenticate, request
from shopkart_pipeline.services.roll_back import roll_back
from shopkart_pipeline.services.verify_proofs import Proofs, verify_proofs
from shopkart_pipeline_tests.fakes.fake_signatures import FakeSigner
from shopkart_pipeline_tests.fakes.world import JONAS, MAYA, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two approved releases; Maya took the second one back."""
    world = World(tmp_path)
    world.released()
    world.released()
    act = request(world.platform, Verb.ROLL_BACK, "backend", reason="slow")
    maya = authenticate(world.platform, act, Credentials(FakeSigner(MAYA)))
    roll_back(world.platform, "backend", maya, "slow", "run-1")
    return world


def acts(world: World, verb: str) -> Act:
    return next(entry.act for entry in world.ledger.entries() if entry.act.verb == verb)


def test_what_people_signed_is_proved(world: World) -> None:
    # Two approvals; what was asked for, the release that left, and the one that came back.
    assert verify_proofs(world.platform) == Proofs(5, ())


@pytest.mark.parametrize(
    ("verb", "forged", "said"),
    [
        ("approve", {"actor": JONAS}, f"signed by {MAYA}"),
        ("approve", {"release_key": "another"}, "about another release"),
        ("approve", {"digest": "sha256:other"}, "about another release"),
        ("ask_roll_back", {"verb": "ask_restore"}, "is to roll back"),
        ("roll_back", {"service": "frontend"}, "is about backend"),
        ("roll_back", {"actor": JONAS}, f"signed by {MAYA}"),
    ],
)
def test_a_signature_does_not_prove_another_act(world: World, verb: str, forged: dict[str, str], said: str) -> None:
    entry = world.ledger.append(replace(acts(world, verb), **forged))

    [line] = verify_proofs(world.platform).wrong

    assert line.startswith(f"entry {entry.sequence}: ")
    assert said in line


@pytest.mark.parametrize("part", ["act", "signature"])
def test_a_changed_proof_is_found(world: World, part: str) -> None:
    act = acts(world, "ask_roll_back")
    world.ledger.append(replace(act, body={**act.body, part: act.body[part].replace("a", "b")}))

    assert len(verify_proofs(world.platform).wrong) == 1


def test_nobody_can_tell_without_a_list_of_people(world: World) -> None:
    world.pipeline = replace(world.pipeline, allowed_signers=None)

    proofs = verify_proofs(world.platform)

    assert proofs.proved == 0
    assert all("no allowed-signers file" in line for line in proofs.wrong)
