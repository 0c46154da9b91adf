"""A place outside, in memory."""

from shopkart_pipeline.domain.hash_chain import SignedHead
from shopkart_pipeline.ports.ledger_anchor import LedgerAnchor, Mark


class MemoryAnchor(LedgerAnchor):
    """Keeps heads in a dict; tests may edit `kept` as an attacker would."""

    place = "elsewhere"

    def __init__(self) -> None:
        self.kept: dict[Mark, SignedHead] = {}

    def put(self, head: SignedHead) -> None:
        self.kept.setdefault(Mark(head.sequence, head.entry_hash), head)

    def marks(self) -> tuple[Mark, ...]:
        return tuple(sorted(self.kept, key=lambda mark: (mark.sequence, mark.entry_hash)))

    def read(self, mark: Mark) -> SignedHead:
        return self.kept[mark]
