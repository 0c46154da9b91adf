"""Whether a signed head of the ledger is one: signed by a trusted key, and about the entry that it is kept for."""

from shopkart_pipeline.domain.attestation import read_envelope
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.hash_chain import SignedHead
from shopkart_pipeline.domain.ledger_head import HeadClaim, claimed_moment, read_claim
from shopkart_pipeline.ports.attestor import EnvelopeVerifier

_FIX = "See `shopkart ledger verify`."


def verify_head(envelopes: EnvelopeVerifier, head: SignedHead) -> HeadClaim:
    """What a signed head says.

    Raises:
        UntrustedInput: nobody who was trusted then signed it, or it is about another entry.
        ToolUnavailable: the trusted keys can't be read.
    """
    envelope = read_envelope(head.envelope)
    claim = read_claim(envelopes.verified(envelope, claimed_moment(envelope)).statement)
    if (claim.sequence, claim.entry_hash) != (head.sequence, head.entry_hash):
        raise UntrustedInput(f"It was signed for entry {claim.sequence}, {claim.entry_hash[:12]}.", _FIX)
    return claim
