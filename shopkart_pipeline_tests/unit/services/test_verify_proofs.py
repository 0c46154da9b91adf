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
        ("ask_roll_back", {"service": "frontend"}, "is about backend"),
        ("ask_roll_back", {"release_key": "another"}, "is about backend"),
        ("ask_roll_back", {}, "was used before"),
        ("roll_back", {"service": "frontend"}, "is about backend"),
        ("roll_back", {"verb": "promote"}, "is to roll back"),
        ("roll_back", {"actor": JONAS}, f"signed by {MAYA}"),
    ],
)
def test_a_signature_does_not_prove_another_act(world: World, verb: str, forged: dict[str, str], said: str) -> None:
    entry = world.ledger.append(replace(acts(world, verb), **forged))

    [line] = verify_proofs(world.platform).wrong

    assert line.startswith(f"entry {entry.sequence}: ")
    assert said in line


def test_what_was_done_has_to_follow_what_was_asked_for(world: World) -> None:
    act = request(world.platform, Verb.ROLL_BACK, "backend", reason="never asked")
    done = acts(world, "roll_back")
    never = {**done.body, "act": act.to_bytes().decode(), "signature": FakeSigner(MAYA).sign(act.to_bytes())}
    world.ledger.append(replace(done, at=world.clock.now(), body=never))
    world.clock.advance(2 * 86400)
    world.ledger.append(replace(done, at=world.clock.now()))

    first, second = verify_proofs(world.platform).wrong

    assert "not in the ledger as something that was asked for" in first
    assert "What was signed is of" in second


def test_who_signs_later_gives_it_no_earlier_moment(world: World) -> None:
    world.clock.advance(86400)
    world.ledger.append(replace(acts(world, "roll_back"), actor="pipeline", at=world.clock.now(), body={}))
    world.ledger.append(acts(world, "approve"))

    [line] = verify_proofs(world.platform).wrong

    assert "stands behind what is of" in line


def test_what_was_asked_for_names_a_proof(world: World) -> None:
    entry = world.ledger.append(replace(acts(world, "ask_roll_back"), body={"reason": "invented"}))

    [line] = verify_proofs(world.platform).wrong

    assert line.startswith(f"entry {entry.sequence}: {MAYA}, ask_roll_back: Nothing says")


def test_the_rest_of_a_ledger_can_be_looked_at_by_itself(world: World) -> None:
    asked = next(entry for entry in world.ledger.entries() if entry.act.verb == "ask_roll_back")
    assert verify_proofs(world.platform, asked.sequence + 1) == Proofs(2, ())


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
