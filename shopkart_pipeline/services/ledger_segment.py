"""The part of the ledger that is about a release, in a form that can be checked without this package.

It reaches from the release's first entry to the first signed head at or behind its last one, with everything in
between, whatever it is about. An entry's hash is SHA-256 of `f"{sequence}\\n{previous_hash}\\n{document}"`; each
names the hash before it; the head's statement names the last hash as its subject.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shopkart_pipeline.domain.attestation import read_envelope
from shopkart_pipeline.domain.hash_chain import SignedHead, StoredEntry
from shopkart_pipeline.ports.ledger import AT_ONCE, Ledger
from shopkart_pipeline.services.platform import Platform


@dataclass(frozen=True)
class LedgerSegment:
    """Entries without a gap, and the signed head that vouches for them."""

    entries: tuple[StoredEntry, ...]
    head: SignedHead | None
    """Of the last entry; None: nothing at or behind the release's last entry is signed."""

    def to_document(self) -> Mapping[str, Any]:
        """As JSON takes it; `document` is text, whose bytes the hash is about, and `envelope` is a DSSE envelope.

        Raises:
            UntrustedInput: what was kept as the head's envelope is none.
        """
        named = ("sequence", "previous_hash", "document", "entry_hash")
        entries = [{name: getattr(entry, name) for name in named} for entry in self.entries]
        return {"entries": entries, "head": None if self.head is None else _head(self.head)}


def segment(platform: Platform, service: str, release_key: str) -> LedgerSegment:
    """The ledger's part that is about a release; without entries where it has none."""
    own = platform.ledger.entries(service, release_key)
    if not own:
        return LedgerSegment((), None)
    heads = platform.ledger.heads(own[-1].sequence, 1)
    last = heads[0].sequence if heads else own[-1].sequence
    return LedgerSegment(_between(platform.ledger, own[0].sequence, last), heads[0] if heads else None)


def _between(ledger: Ledger, first: int, last: int) -> tuple[StoredEntry, ...]:
    found, after = list[StoredEntry](), first - 1
    while after < last and (page := ledger.stored(after, min(AT_ONCE, last - after))):
        found += page
        after = page[-1].sequence
    return tuple(found)


def _head(head: SignedHead) -> Mapping[str, Any]:
    envelope = json.loads(read_envelope(head.envelope).to_bytes())
    return {"sequence": head.sequence, "entry_hash": head.entry_hash, "envelope": envelope}
