"""What is signed of a ledger: that it had a certain entry at a certain moment, and which head was signed before.

The subject's digest is the entry's hash, which covers every entry before it. The head before is named by the digest of
its envelope, so that no head can be taken from between two others.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from shopkart_pipeline.domain.attestation import LEDGER_HEAD, Envelope, Statement, read_envelope, read_statement
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.hash_chain import SignedHead

SUBJECT = "ledger"
FIRST = "none"
"""Stands where the first head names the one before."""
_FIX = "See `shopkart ledger verify`."


@dataclass(frozen=True)
class HeadClaim:
    """What a head says."""

    sequence: int
    entry_hash: str
    signed_at: datetime
    previous: str
    """Digest of the envelope of the head before, or `FIRST`."""

    def to_statement(self) -> Statement:
        """What is signed."""
        moment = self.signed_at.astimezone(UTC).isoformat()
        predicate = {"sequence": self.sequence, "signed_at": moment, "previous": self.previous}
        return Statement(SUBJECT, f"sha256:{self.entry_hash}", LEDGER_HEAD, predicate)


def name_of(head: SignedHead | None) -> str:
    """How the next head names this one. Raises `UntrustedInput` where it has no envelope."""
    return FIRST if head is None else read_envelope(head.envelope).digest


def read_claim(statement: Statement) -> HeadClaim:
    """What a statement says. Raises `UntrustedInput` for one that is about something else."""
    said = statement.predicate
    try:
        sequence, previous, moment = said["sequence"], said["previous"], datetime.fromisoformat(said["signed_at"])
    except (KeyError, TypeError, ValueError) as error:
        raise UntrustedInput("It does not say which entry was signed, and when.", _FIX) from error
    is_head = statement.predicate_type == LEDGER_HEAD and statement.subject_name == SUBJECT
    if not (is_head and type(sequence) is int and isinstance(previous, str) and moment.tzinfo):
        raise UntrustedInput("It is no statement about a ledger.", _FIX)
    return HeadClaim(sequence, statement.subject_digest.removeprefix("sha256:"), moment, previous)


def claimed_moment(envelope: Envelope) -> datetime:
    """When an envelope says that it was signed, before anybody has looked whether a trusted key did."""
    return read_claim(read_statement(envelope.payload)).signed_at
