"""Who asks for an act: what is accepted once, and what never is."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.ssh_signature import SshSignatureVerifier, SshSigner, create_key
from shopkart_pipeline.domain.errors import PipelineError, Refused, UntrustedInput
from shopkart_pipeline.domain.roles import ALLOWED, Machine, Role, Roles, Verb
from shopkart_pipeline.services.authenticate import (
    Credentials,
    Principal,
    RequestedAct,
    accept_signed,
    authenticate,
    check_button,
    proof_of,
    request,
)
from shopkart_pipeline.services.roll_back import roll_back
from shopkart_pipeline_tests.fakes.fake_signatures import FakeSigner
from shopkart_pipeline_tests.fakes.world import JONAS, MAYA, World

TOKEN = "t0ken-of-the-nightly-job-0123456789abcdef"
MALLORY = "mallory@elsewhere.example"
"""Has a key that is trusted, and no role."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def asks(world: World, verb: Verb = Verb.ROLL_BACK, **arguments: str) -> RequestedAct:
    return request(world.platform, verb, "backend", **arguments)


def signed(world: World, act: RequestedAct, who: str = MAYA) -> Principal:
    return authenticate(world.platform, act, Credentials(FakeSigner(who)))


def with_machine(world: World, role: Role = Role.PIPELINE, days: float = 30) -> None:
    digest, ends = hashlib.sha256(TOKEN.encode()).hexdigest(), world.clock.now() + timedelta(days=days)
    roles = replace(world.pipeline.roles, machines=(Machine("nightly", role, digest, ends),))
    world.pipeline = replace(world.pipeline, roles=roles)


def test_what_is_accepted_is_an_entry_with_its_proof_before_anything_is_done(world: World) -> None:
    act = asks(world, reason="checkout is slow")

    principal = signed(world, act)

    [entry] = world.ledger.entries()
    assert (principal, entry.act.actor, entry.act.verb) == (MAYA, MAYA, "ask_roll_back")
    assert entry.act.body["reason"] == "checkout is slow"
    assert entry.act.body["act"] == act.to_bytes().decode()
    assert entry.act.body["signature"] == FakeSigner(MAYA).sign(act.to_bytes())


def test_the_act_itself_carries_the_proof_of_who_asked(world: World) -> None:
    world.released()
    world.released()

    roll_back(world.platform, "backend", signed(world, asks(world)), "slow", "run-1")

    acts = [entry.act for entry in world.ledger.entries("backend") if entry.act.verb in ("turn_back", "roll_back")]
    assert len(acts) == 2
    assert all(act.actor == MAYA and json.loads(act.body["act"])["verb"] == "roll_back" for act in acts)


def test_a_name_that_nobody_proved_has_no_proof() -> None:
    assert proof_of(MAYA) == {}


def test_a_statement_is_good_for_one_act(world: World) -> None:
    signed(world, asks(world))
    act = asks(world)
    signature = FakeSigner(MAYA).sign(act.to_bytes())
    accept_signed(world.platform, act.to_bytes(), signature)

    with pytest.raises(Refused, match="was used before"):
        accept_signed(world.platform, act.to_bytes(), signature)

    assert len(world.ledger.entries()) == 2


def test_what_was_signed_for_a_ledger_without_entries_counts_in_no_other(world: World) -> None:
    act = asks(world)
    signed(world, asks(world))

    with pytest.raises(Refused, match="meant for another ledger"):
        signed(world, act)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda act: replace(act, at=act.at - timedelta(minutes=6)), "too old, or not yet"),
        (lambda act: replace(act, at=act.at + timedelta(minutes=2)), "too old, or not yet"),
        (lambda act: replace(act, ledger="0" * 64), "another ledger"),
        (lambda act: replace(act, verb=Verb.APPROVE), "may not approve"),
        (lambda act: replace(act, nonce="short"), "no statement of an act"),
    ],
)
def test_a_statement_that_is_not_for_here_and_now_is_refused(
    world: World, change: Callable[[RequestedAct], RequestedAct], said: str
) -> None:
    world.pipeline = replace(world.pipeline, roles=Roles({Role.OPERATOR: (MAYA,)}))

    with pytest.raises(PipelineError, match=said):
        signed(world, change(asks(world)))

    assert world.ledger.entries() == ()


@pytest.mark.parametrize(
    "statement",
    [b"", b"[]", b"{", b"null", b'{"kind": "shopkart approval, version 2"}', b'{"kind": "shopkart act, version 1"}'],
)
def test_something_else_that_somebody_signed_is_no_act(world: World, statement: bytes) -> None:
    with pytest.raises(UntrustedInput, match="no statement of an act"):
        accept_signed(world.platform, statement, FakeSigner(MAYA).sign(statement))


def test_an_act_that_was_changed_after_it_was_signed_is_refused(world: World) -> None:
    act = asks(world, reason="slow")
    signature = FakeSigner(MAYA).sign(act.to_bytes())

    with pytest.raises(UntrustedInput, match="does not fit"):
        accept_signed(world.platform, replace(act, service="frontend").to_bytes(), signature)


def test_a_key_without_a_role_is_refused_with_what_is_needed_and_who_has_it(world: World) -> None:
    with pytest.raises(Refused, match=r"mallory.* has no role and may not roll back: that needs operator") as refusal:
        signed(world, asks(world), MALLORY)

    assert JONAS in refusal.value.fix
    assert world.ledger.entries() == ()


def test_nobody_asks_where_nothing_is_shown(world: World) -> None:
    with pytest.raises(Refused, match="Nobody says who asks to roll back"):
        authenticate(world.platform, asks(world), Credentials())


def test_nobody_can_sign_where_no_list_of_signers_is_declared(world: World) -> None:
    world.pipeline = replace(world.pipeline, allowed_signers=None)

    with pytest.raises(Refused, match="no allowed-signers file"):
        signed(world, asks(world))


def test_a_machine_does_what_its_role_may_and_nothing_else(world: World) -> None:
    with_machine(world)
    shown = Credentials(token=TOKEN)

    assert authenticate(world.platform, asks(world, Verb.BACK_UP), shown) == "machine:nightly"
    with pytest.raises(Refused, match="machine:nightly has pipeline and may not roll back"):
        authenticate(world.platform, asks(world), shown)

    [entry] = world.ledger.entries()
    assert entry.act.body["token"] == "nightly"
    assert TOKEN not in str(entry)
    assert TOKEN not in repr(shown)


@pytest.mark.parametrize("token", ["x" * 40, TOKEN[:-1], "short"])
def test_a_token_that_is_nobodys_is_refused_and_not_repeated(world: World, token: str) -> None:
    with_machine(world)

    with pytest.raises(UntrustedInput) as refusal:
        authenticate(world.platform, asks(world, Verb.BACK_UP), Credentials(token=token))

    assert token not in str(refusal.value)


def test_an_expired_token_is_refused_with_its_day(world: World) -> None:
    with_machine(world, days=0)

    with pytest.raises(Refused, match="machine:nightly expired on 20"):
        authenticate(world.platform, asks(world, Verb.BACK_UP), Credentials(token=TOKEN))


def test_real_keys_sign_and_are_verified(world: World, tmp_path: Path) -> None:
    world.signers.write_text(create_key(tmp_path / "key", MAYA))
    platform = replace(world.platform, verifier=SshSignatureVerifier())

    assert authenticate(platform, asks(world), Credentials(SshSigner(tmp_path / "key"))) == MAYA

    create_key(tmp_path / "another", MAYA)
    with pytest.raises(UntrustedInput, match="nobody in the allowed-signers file"):
        authenticate(platform, asks(world), Credentials(SshSigner(tmp_path / "another")))


def test_a_button_does_what_the_declaration_leaves_to_it(world: World) -> None:
    assert check_button(world.platform, Verb.ROLL_BACK) == "web interface, not authenticated"

    world.pipeline = replace(world.pipeline, roles=replace(world.pipeline.roles, buttons=()))
    with pytest.raises(Refused, match="may not roll back here"):
        check_button(world.platform, Verb.ROLL_BACK)


def test_every_act_is_somebodys_and_none_is_an_auditors_or_authors_but_the_harmless_ones() -> None:
    assert set(ALLOWED) == set(Verb)
    assert all(ALLOWED.values())
    for_role = {role: {verb for verb in Verb if role in ALLOWED[verb]} for role in Role}
    assert for_role[Role.AUDITOR] == {Verb.SIGN_LEDGER}
    assert for_role[Role.AUTHOR] == {Verb.RERUN}
    assert for_role[Role.APPROVER] == {Verb.APPROVE}
    assert Verb.APPROVE not in for_role[Role.PIPELINE] | for_role[Role.OPERATOR]
