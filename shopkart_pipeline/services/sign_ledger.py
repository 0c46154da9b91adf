"""Signs the newest entry of the ledger, and with its hash all entries before it; keeps signed heads elsewhere, too.

Before it signs, the entries since the last signed head are followed from there: a chain that does not lead on from
what was signed is not signed again, and what is anchored elsewhere has to be in it. Of several who sign at once one
does. A head is signed at every change of production and at intervals; it is anchored at intervals alone, so that no
change waits for a far store.
"""

import logging

from shopkart_pipeline.domain.errors import Conflict, PipelineError, UntrustedInput
from shopkart_pipeline.domain.hash_chain import GENESIS, SignedHead, StoredEntry, fault_of
from shopkart_pipeline.domain.ledger_head import HeadClaim, name_of
from shopkart_pipeline.ports.attestor import Attestor, EnvelopeVerifier
from shopkart_pipeline.ports.ledger import AT_ONCE, Ledger
from shopkart_pipeline.ports.ledger_anchor import Mark
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.verify_head import verify_head

_LOG = logging.getLogger(__name__)
_FIX = "See `shopkart ledger verify`; nothing is signed until that is understood."
_TRIES = 3


def sign_head(platform: Platform) -> None:
    """Sign the newest entry of the ledger; nothing where nobody signs here, and where it is signed already. What can't
    be signed now is signed at the next occasion: no change of production waits for it, and none fails for it."""
    try:
        signed_head(platform)
    except PipelineError as error:
        _LOG.warning("The ledger's newest entry is not signed yet: %s", error)


def signed_head(platform: Platform) -> SignedHead | None:
    """The head of the newest entry, signed now if it was not; None where nobody signs here or there is no entry.

    Raises:
        UntrustedInput: the ledger does not lead on from what was signed last.
        ToolUnavailable: the signer or the ledger does not answer.
        Refused: the signer does not sign it.
        Conflict: others sign all the time.
    """
    attestor, envelopes, ledger = platform.attestor, platform.envelopes, platform.ledger
    if attestor is None or envelopes is None:
        return None
    for _ in range(_TRIES):
        # In this order: whoever writes and signs in between leaves a newer entry, and no head of one that is not seen.
        known = ledger.newest_head()
        newest = ledger.newest()
        if known is None and newest is None:
            return None
        _check_leads_on(ledger, envelopes, known, newest)
        if newest is None or (known is not None and known.sequence == newest.sequence):
            return known
        head = _signed(platform, attestor, newest, known)
        if ledger.add_head(head, 0 if known is None else known.sequence):
            return head
    raise Conflict("Others sign the ledger all the time.", "Try again.")


def anchor_head(platform: Platform) -> Mark | None:
    """Keep the newest signed head in the place that is outside; None where there is no such place, or no head.

    Raises:
        UntrustedInput: what is kept there already is not in this ledger.
        ToolUnavailable: the place can't be used.
    """
    anchor, newest = platform.anchor, platform.ledger.newest_head()
    if anchor is None or newest is None:
        return None
    for mark in anchor.marks()[-1:]:
        known = [head for head in platform.ledger.heads(mark.sequence, 1) if head.sequence == mark.sequence]
        if [head.entry_hash for head in known] != [mark.entry_hash]:
            raise UntrustedInput(
                f"The head of entry {mark.sequence} that {anchor.place} holds is not in this ledger.", _FIX
            )
    anchor.put(newest)
    return Mark(newest.sequence, newest.entry_hash)


def _signed(platform: Platform, attestor: Attestor, newest: StoredEntry, known: SignedHead | None) -> SignedHead:
    claim = HeadClaim(newest.sequence, newest.entry_hash, platform.clock.now(), name_of(known))
    return SignedHead(newest.sequence, newest.entry_hash, attestor.sign(claim.to_statement()).to_bytes())


def _check_leads_on(
    ledger: Ledger, envelopes: EnvelopeVerifier, known: SignedHead | None, newest: StoredEntry | None
) -> None:
    previous_hash, after = GENESIS, 0
    if known is not None:
        verify_head(envelopes, known)
        signed = ledger.stored(known.sequence - 1, 1)
        if [(entry.sequence, entry.entry_hash) for entry in signed] != [(known.sequence, known.entry_hash)]:
            raise UntrustedInput(f"Entry {known.sequence} of the ledger is not the one that was signed.", _FIX)
        previous_hash, after = known.entry_hash, known.sequence
    last = 0 if newest is None else newest.sequence
    while after < last and (page := ledger.stored(after, min(AT_ONCE, last - after))):
        for entry in page:
            fault = fault_of(entry, after + 1, previous_hash)
            if fault is not None:
                raise UntrustedInput(f"The ledger is not signed: {fault}.", _FIX)
            previous_hash, after = entry.entry_hash, entry.sequence
    if newest is not None and previous_hash != newest.entry_hash:
        raise UntrustedInput("The ledger was changed while it was looked at.", _FIX)
