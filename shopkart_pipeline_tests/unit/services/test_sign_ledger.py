"""Heads are signed when they should be, never over a changed chain, and a signer that is away stops nothing."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shopkart_pipeline.domain.attestation import read_envelope, read_statement
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.hash_chain import SignedHead, StoredEntry
from shopkart_pipeline.domain.ledger_head import HeadClaim, name_of
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.ledger_segment import segment
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.sign_ledger import anchor_head, sign_head, signed_head
from shopkart_pipeline.services.verify_ledger import verify_ledger
from shopkart_pipeline_tests.fakes.fake_attestor import AwaySigner, FakeAttestor
from shopkart_pipeline_tests.fakes.memory_anchor import MemoryAnchor
from shopkart_pipeline_tests.fakes.memory_ledger import MemoryLedger
from shopkart_pipeline_tests.fakes.world import World

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def platform(world: World) -> Platform:
    attestor = FakeAttestor()
    return replace(world.platform, attestor=attestor, envelopes=attestor, anchor=MemoryAnchor())


def act(number: int, release_key: str = "r1") -> Act:
    return Act(NOON + timedelta(seconds=number), "maya", "promote", "backend", release_key, "sha256:1", {})


def ledger_of(platform: Platform) -> MemoryLedger:
    assert isinstance(platform.ledger, MemoryLedger)
    return platform.ledger


def test_a_head_says_which_entry_and_when_and_names_the_head_before(platform: Platform) -> None:
    first = platform.ledger.append(act(1))
    sign_head(platform)
    platform.ledger.append(act(2))
    sign_head(platform)

    one, two = platform.ledger.heads()
    statement = read_statement(read_envelope(one.envelope).payload)
    now = platform.clock.now().isoformat()
    assert statement.subject_digest == f"sha256:{first.entry_hash}"
    assert statement.predicate == {"sequence": 1, "signed_at": now, "previous": "none"}
    second = read_statement(read_envelope(two.envelope).payload)
    assert second.predicate["previous"] == read_envelope(one.envelope).digest


def test_what_is_signed_is_not_signed_again(platform: Platform) -> None:
    platform.ledger.append(act(1))

    assert signed_head(platform) == signed_head(platform)
    assert len(platform.ledger.heads()) == 1


def test_nothing_is_signed_where_there_is_nothing_or_nobody_signs(platform: Platform) -> None:
    assert signed_head(platform) is None
    platform.ledger.append(act(1))
    assert signed_head(replace(platform, attestor=None)) is None
    assert platform.ledger.heads() == ()


def test_a_signer_that_is_away_fails_nothing_and_is_made_up_for(platform: Platform) -> None:
    platform.ledger.append(act(1))
    sign_head(replace(platform, attestor=AwaySigner()))
    assert platform.ledger.heads() == ()

    sign_head(platform)
    assert [head.sequence for head in platform.ledger.heads()] == [1]


@pytest.mark.parametrize("entry", [0, 1, 2])
def test_a_chain_that_was_changed_is_not_signed_again(platform: Platform, entry: int) -> None:
    ledger = ledger_of(platform)
    ledger.append_all([act(1), act(2)])
    signed_head(platform)
    ledger.append(act(3))
    ledger.kept[entry] = replace(ledger.kept[entry], act=act(9), entry_hash="0" * 64)

    if entry == 0:
        # It is before what was signed last, so only a whole look finds it; what is signed says nothing new of it.
        assert signed_head(platform) is not None
        assert ledger.verify() == "entry 1 was changed"
        return
    with pytest.raises(UntrustedInput, match="signed"):
        signed_head(platform)
    assert len(ledger.heads()) == 1


def test_a_ledger_that_became_shorter_is_not_signed_again(platform: Platform) -> None:
    ledger = ledger_of(platform)
    ledger.append_all([act(1), act(2)])
    signed_head(platform)
    ledger.kept.pop()

    with pytest.raises(UntrustedInput, match="Entry 2 of the ledger is not the one that was signed"):
        signed_head(platform)


def test_a_forged_head_is_no_base_for_the_next(platform: Platform) -> None:
    ledger = ledger_of(platform)
    entry = ledger.append(act(1))
    stranger = replace(platform, attestor=(other := FakeAttestor()), envelopes=other)
    signed_head(stranger)
    ledger.append(act(2))

    assert ledger.heads()[0].entry_hash == entry.entry_hash
    with pytest.raises(UntrustedInput, match="No trusted key"):
        signed_head(platform)


def test_of_two_who_sign_at_once_one_does(platform: Platform) -> None:
    ledger = ledger_of(platform)
    ledger.append(act(1))
    head = signed_head(platform)
    assert head is not None

    assert not ledger.add_head(SignedHead(2, "a" * 64, b"{}"), 0)
    assert not ledger.add_head(head, 1)
    assert ledger.heads() == (head,)


def test_the_newest_head_is_kept_outside_once(platform: Platform) -> None:
    assert anchor_head(platform) is None
    platform.ledger.append(act(1))
    head = signed_head(platform)
    assert head is not None
    assert platform.anchor is not None

    told = anchor_head(platform), anchor_head(platform)

    assert told[0] == told[1]
    assert [platform.anchor.read(mark) for mark in platform.anchor.marks()] == [head]


def test_a_ledger_that_is_another_one_is_not_anchored(platform: Platform) -> None:
    platform.ledger.append(act(1))
    signed_head(platform)
    anchor_head(platform)
    other = replace(platform, ledger=MemoryLedger())
    other.ledger.append(act(2))
    signed_head(other)

    with pytest.raises(UntrustedInput, match="is not in this ledger"):
        anchor_head(other)


def test_a_release_s_part_reaches_to_the_first_head_behind_it(platform: Platform) -> None:
    told = platform.ledger.append_all([act(1, "other"), act(2), act(3, "other"), act(4), act(5, "other")])
    signed_head(platform)
    platform.ledger.append(act(6, "other"))
    signed_head(platform)

    part = segment(platform, "backend", "r1")
    document = json.loads(json.dumps(part.to_document()))

    assert [entry.sequence for entry in part.entries] == [2, 3, 4, 5]
    assert document["head"]["sequence"] == 5
    assert document["head"]["entry_hash"] == document["entries"][-1]["entry_hash"] == told[4].entry_hash
    assert {"payload", "payloadType", "signatures"} == set(document["head"]["envelope"])
    assert document["entries"][0]["previous_hash"] == told[0].entry_hash


def test_a_release_s_part_without_a_head_says_so(platform: Platform) -> None:
    platform.ledger.append_all([act(1), act(2, "other")])

    assert segment(platform, "backend", "r1").to_document()["head"] is None
    assert [entry.sequence for entry in segment(platform, "backend", "r1").entries] == [1]
    assert segment(platform, "backend", "nothing").entries == ()


def test_others_who_write_and_sign_while_it_looks_are_no_fault(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ledger_of(platform)
    ledger.append(act(1))
    newest, others = ledger.newest, [act(2)]

    def newest_before_others_sign() -> StoredEntry | None:
        seen = newest()
        if others:
            ledger.append(others.pop())
            signed_head(platform)
        return seen

    monkeypatch.setattr(ledger, "newest", newest_before_others_sign)

    head = signed_head(platform)

    assert head is not None
    assert head.sequence == 2


@pytest.mark.parametrize(("days", "entry_days"), [(0, 2), (-1, -1)])
def test_a_head_says_no_earlier_moment_than_what_it_signs_or_the_head_before(
    platform: Platform, days: int, entry_days: int
) -> None:
    """Whoever has a key that has ended could sign with it as of a day on which it had not."""
    ledger, attestor = ledger_of(platform), platform.attestor
    assert attestor is not None
    now = platform.clock.now()
    ledger.append(replace(act(1), at=now))
    first = signed_head(platform)
    assert first is not None
    later = ledger.append(replace(act(2), at=now + timedelta(days=entry_days)))
    claim = HeadClaim(2, later.entry_hash, now + timedelta(days=days), name_of(first))
    ledger.add_head(SignedHead(2, later.entry_hash, attestor.sign(claim.to_statement()).to_bytes()), 1)

    proof = verify_ledger(ledger, platform.envelopes)

    assert proof.fault is not None
    assert proof.fault.startswith("the signed head of entry 2 says that it was signed on 2025-03-0")
