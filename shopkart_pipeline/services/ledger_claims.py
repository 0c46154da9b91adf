"""What may be said of a ledger that was looked at, in words: what is proved, what is not, and whether that will do.

It won't do where something is wrong, where there are keys and nothing is signed, where entries have waited for a
signature for longer than an hour, or where there is an anchor and the newest head is not in it after that time: all
of that is also how it looks after somebody took away what proved him wrong.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shopkart_pipeline.ports.ledger import Ledger
from shopkart_pipeline.ports.ledger_anchor import LedgerAnchor
from shopkart_pipeline.services.verify_ledger import LedgerProof

LONGEST_UNSIGNED = timedelta(hours=1)
_NOT_OUTSIDE = (
    "Not proved: that nothing newer was taken away together with its head. Heads that are kept elsewhere, too,"
    " prove that (SHOPKART_LEDGER_ANCHOR)."
)


@dataclass(frozen=True)
class LedgerClaims:
    """What is said, and whether it will do."""

    lines: tuple[str, ...]
    holds: bool


def ledger_claims(
    ledger: Ledger, proof: LedgerProof, anchor: LedgerAnchor | None, now: datetime, *, is_signed: bool
) -> LedgerClaims:
    """What a proof says.

    Args:
        ledger: what was looked at.
        proof: what was found.
        anchor: where heads are kept elsewhere; None: nowhere.
        now: the present moment.
        is_signed: whether there are keys or heads here, so that entries should be signed.
    """
    found = [_chain(proof)]
    if proof.first > 1:
        found.append((f"Entries before {proof.first} were not looked at.", True))
    if not is_signed:
        why = "whoever can write to the store could have made all entries anew"
        found.append((f"Not signed: nobody signs here, so {why}.", True))
    else:
        found += _signed(ledger, proof, now)
        found += _anchored(proof, anchor, now)
    return LedgerClaims(tuple(line for line, _ in found), all(holds for _, holds in found))


def _chain(proof: LedgerProof) -> tuple[str, bool]:
    if proof.fault is not None:
        return f"{proof.fault[0].upper()}{proof.fault[1:]}.", False
    count = max(proof.last - proof.first + 1, 0)
    return f"{count} {'entry' if count == 1 else 'entries'}, the chain is whole.", True


def _signed(ledger: Ledger, proof: LedgerProof, now: datetime) -> list[tuple[str, bool]]:
    if proof.proved is None:
        is_fine = proof.last < proof.first and proof.fault is None
        return [("Not proved: no entry that was looked at is signed; `shopkart ledger sign` signs.", is_fine)]
    claim = proof.proved
    said = (
        f"entries {proof.first} to {claim.sequence} are as they were on {_on(claim.signed_at)}, when they were signed"
    )
    found = [(f"Proved: {said}.", True)]
    if proof.unsigned and proof.fault is None:
        since = next((entry.act.at for entry in ledger.after(claim.sequence, 1)), now)
        span = f"entries {claim.sequence + 1} to {proof.last}, the first of {_on(since)}"
        found.append((f"Not proved yet: {span}, are not signed.", now - since <= LONGEST_UNSIGNED))
    return found


def _anchored(proof: LedgerProof, anchor: LedgerAnchor | None, now: datetime) -> list[tuple[str, bool]]:
    if anchor is None:
        return [(_NOT_OUTSIDE, True)]
    if proof.fault is not None or proof.proved is None:
        return []
    newest = proof.proved
    in_time = now - newest.signed_at <= LONGEST_UNSIGNED
    if proof.anchored is None:
        return [(f"Not proved: {anchor.place} holds no head of this ledger.", in_time)]
    if proof.anchored.sequence < newest.sequence:
        said = f"{anchor.place} holds the heads up to entry {proof.anchored.sequence} alone"
        return [(f"Not proved yet: {said}, not that of entry {newest.sequence}.", in_time)]
    return [(f"Proved: {anchor.place} holds the same heads up to entry {proof.anchored.sequence}.", True)]


def _on(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d at %H:%M:%S} UTC"
