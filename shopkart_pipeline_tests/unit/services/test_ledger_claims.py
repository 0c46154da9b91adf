"""What is said of a ledger that was looked at, and when it will not do."""

from datetime import UTC, datetime, timedelta

import pytest

from shopkart_pipeline.domain.hash_chain import SignedHead
from shopkart_pipeline.domain.ledger_head import HeadClaim, name_of
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.ledger_claims import LedgerClaims, ledger_claims
from shopkart_pipeline.services.verify_ledger import verify_ledger
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor
from shopkart_pipeline_tests.fakes.memory_anchor import MemoryAnchor
from shopkart_pipeline_tests.fakes.memory_ledger import MemoryLedger

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
SOON, LATER = NOON + timedelta(minutes=10), NOON + timedelta(hours=2)


class Kept:
    """A ledger of three entries; the first two are signed, if any."""

    def __init__(self, *, signed: tuple[int, ...]) -> None:
        self.ledger, self.attestor, self.anchor = MemoryLedger(), FakeAttestor(), MemoryAnchor()
        for number in (1, 2, 3):
            entry = self.ledger.append(Act(NOON, "maya", "promote", "backend", "r1", "sha256:1", {}))
            if number in signed:
                known = self.ledger.newest_head()
                claim = HeadClaim(number, entry.entry_hash, NOON, name_of(known))
                head = SignedHead(number, entry.entry_hash, self.attestor.sign(claim.to_statement()).to_bytes())
                assert self.ledger.add_head(head, known.sequence if known else 0)

    def claims(self, now: datetime, *, anchored: bool = False, is_signed: bool = True) -> LedgerClaims:
        anchor = self.anchor if anchored else None
        proof = verify_ledger(self.ledger, self.attestor if is_signed else None, anchor)
        return ledger_claims(self.ledger, proof, anchor, now, is_signed=is_signed)


def test_what_is_proved_and_what_is_not_is_told_apart() -> None:
    claims = Kept(signed=(1, 2)).claims(SOON)

    assert claims.holds
    assert claims.lines[:3] == (
        "3 entries, the chain is whole.",
        "Proved: entries 1 to 2 are as they were on 2026-11-27 at 12:00:00 UTC, when they were signed.",
        "Not proved yet: entries 3 to 3, the first of 2026-11-27 at 12:00:00 UTC, are not signed.",
    )
    assert "nothing newer was taken away" in claims.lines[3]


def test_what_waits_too_long_for_a_signature_will_not_do() -> None:
    assert not Kept(signed=(1, 2)).claims(LATER).holds


def test_a_ledger_that_should_be_signed_and_is_not_will_not_do() -> None:
    claims = Kept(signed=()).claims(SOON)

    assert not claims.holds
    assert claims.lines[1].startswith("Not proved: no entry")


def test_where_nobody_signs_the_chain_is_all_there_is_and_that_is_said() -> None:
    claims = Kept(signed=()).claims(LATER, is_signed=False)

    assert claims.holds
    assert claims.lines[1].startswith("Not signed: nobody signs here")


def test_a_fault_will_not_do_and_what_was_proved_before_it_is_told() -> None:
    kept = Kept(signed=(1, 3))
    kept.ledger.kept.pop()

    claims = kept.claims(SOON)
    assert not claims.holds
    assert claims.lines[0].startswith("Entry 3 is missing: entry 3 was signed on 2026-11-27")
    assert claims.lines[1].startswith("Proved: entries 1 to 1 are")


@pytest.mark.parametrize(
    ("heads", "now", "holds"), [(2, LATER, True), (1, LATER, False), (1, SOON, True), (0, LATER, False)]
)
def test_the_anchor_has_to_hold_the_newest_head_in_time(heads: int, now: datetime, holds: bool) -> None:
    kept = Kept(signed=(1, 3))
    for head in kept.ledger.heads()[:heads]:
        kept.anchor.put(head)

    claims = kept.claims(now, anchored=True)
    assert claims.holds is holds
    assert "elsewhere holds" in claims.lines[-1]
