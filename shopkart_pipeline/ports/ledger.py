"""The append-only record of acts that change what may run."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

DELIVERY = "delivery"
"""Where the body of an act names the delivery that asked for it."""


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
    def append(self, act: Act) -> Entry:
        """Add an act; durable when this returns."""

    @abstractmethod
    def append_once(self, act: Act) -> Entry:
        """Add an act whose body names the `DELIVERY` that asked for it, unless that verb is there for that release and
        delivery already; returns the entry that is there then. Of several who come at once, one adds it."""

    @abstractmethod
    def entries(self, service: str | None = None, release_key: str | None = None) -> tuple[Entry, ...]:
        """Entries, oldest first."""

    @abstractmethod
    def after(self, sequence: int, limit: int) -> tuple[Entry, ...]:
        """Entries behind a number, of all services, oldest first."""

    @abstractmethod
    def newest_first(self, service: str) -> Iterator[Entry]:
        """Entries of a service, newest first; read only as far as they are asked for."""

    @abstractmethod
    def verify(self) -> str | None:
        """What is wrong with the first entry that was edited, removed, reordered or inserted; None if all is well."""
