"""A place that whoever can write to the ledger can't write to: there, its signed heads are kept once more."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from shopkart_pipeline.domain.hash_chain import SignedHead


@dataclass(frozen=True)
class Mark:
    """Which entry's head is anchored; that it is signed is told by the head alone."""

    sequence: int
    entry_hash: str


class LedgerAnchor(ABC):
    """Append-only, by the number of the entry. Every method raises `ToolUnavailable` where the place can't be used."""

    place: str
    """In words that people can look up."""

    @abstractmethod
    def put(self, head: SignedHead) -> None:
        """Keep a head for good; keeping it again changes nothing."""

    @abstractmethod
    def marks(self) -> tuple[Mark, ...]:
        """All heads that are kept, by their numbers."""

    @abstractmethod
    def read(self, mark: Mark) -> SignedHead:
        """A head that is kept; what its bytes say is up to whoever reads them."""
