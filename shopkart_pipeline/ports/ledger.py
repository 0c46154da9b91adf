"""The append-only record of acts that change what may run."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.hash_chain import GENESIS, SignedHead, StoredEntry, fault_of

DELIVERY = "delivery"
"""Where the body of an act names the delivery that asked for it."""
AT_ONCE = 500
"""How many entries are read at once by whoever reads them all."""


@dataclass(frozen=True)
class Act:
    """What somebody did."""

    at: datetime
    actor: str
    """A principal such as an e-mail address, or `pipeline`."""
    verb: str
    """Such as `approve`, `promote`, `roll_back`, `bootstrap`."""
    service: str
    release_key: str
    digest: str
    """Digest of the image that the act is about."""
    body: Mapping[str, str]


@dataclass(frozen=True)
class Entry:
    """An act in the ledger, chained to the entry before it."""

    sequence: int
    act: Act
    previous_hash: str
    entry_hash: str


def is_of_delivery(act: Act, verb: str, delivery_id: str) -> bool:
    """Whether an act is what a delivery asked for."""
    return act.verb == verb and act.body.get(DELIVERY) == delivery_id


class Ledger(ABC):
    """Hash-chained; concurrent writers never fork it."""

    @abstractmethod
    def append_all(self, acts: Sequence[Act]) -> tuple[Entry, ...]:
        """Add acts, all of them or none; durable when this returns."""

    def append(self, act: Act) -> Entry:
        """Add an act; durable when this returns."""
        return self.append_all((act,))[0]

    @abstractmethod
    def append_once(self, act: Act) -> Entry:
        """Add an act whose body names the `DELIVERY` that asked for it, unless that verb is there for that release and
        delivery already; returns the entry that is there then. Of several who come at once, one adds it."""

    @abstractmethod
    def entries(
        self, service: str | None = None, release_key: str | None = None, verbs: Collection[str] = ()
    ) -> tuple[Entry, ...]:
        """Entries, oldest first; those of some verbs alone where there are any."""

    @abstractmethod
    def after(self, sequence: int, limit: int) -> tuple[Entry, ...]:
        """Entries behind a number, of all services, oldest first."""

    @abstractmethod
    def newest_first(self, service: str) -> Iterator[Entry]:
        """Entries of a service, newest first; read only as far as they are asked for."""

    @abstractmethod
    def stored(self, after: int | None, limit: int) -> tuple[StoredEntry, ...]:
        """Entries as they are stored, by their numbers, behind a number; None: from the very beginning."""

    @abstractmethod
    def newest(self) -> StoredEntry | None:
        """The entry with the highest number; None: there is none."""

    @abstractmethod
    def heads(self, first: int = 0, limit: int | None = None) -> tuple[SignedHead, ...]:
        """Signed heads of this entry and later ones, oldest first."""

    @abstractmethod
    def newest_head(self) -> SignedHead | None:
        """The signed head with the highest number; None: there is none."""

    @abstractmethod
    def add_head(self, head: SignedHead, after: int) -> bool:
        """Keep a signed head, durable when this returns, unless the newest one is another than that of entry `after`
        (0: than none) or of an entry that is not older. Returns whether it was kept."""

    def index_fault(self) -> str | None:
        """What is wrong with that by which entries are found, where it is not the entries themselves; None: nothing."""
        return None

    def verify(self) -> str | None:
        """What is wrong with the first entry that was edited, removed, reordered or inserted; None if all is well, as
        far as the entries themselves can tell."""
        previous_hash, expected, after = GENESIS, 1, None
        while page := self.stored(after, AT_ONCE):
            for entry in page:
                fault = fault_of(entry, expected, previous_hash)
                if fault is not None:
                    return fault
                previous_hash, expected, after = entry.entry_hash, expected + 1, entry.sequence
        return self.index_fault()
