"""A ledger in memory."""

import hashlib
from collections.abc import Iterator

from shopkart_pipeline.ports.ledger import DELIVERY, Act, Entry, Ledger, is_of_delivery


class MemoryLedger(Ledger):
    """Keeps entries in a list; tests may edit `kept` as an attacker would."""

    def __init__(self) -> None:
        self.kept: list[Entry] = []

    def append(self, act: Act) -> Entry:
        previous = self.kept[-1].entry_hash if self.kept else "0" * 64
        sequence = len(self.kept) + 1
        self.kept.append(Entry(sequence, act, previous, _hash(sequence, act, previous)))
        return self.kept[-1]

    def append_once(self, act: Act) -> Entry:
        for entry in self.entries(act.service, act.release_key):
            if is_of_delivery(entry.act, act.verb, act.body[DELIVERY]):
                return entry
        return self.append(act)

    def entries(self, service: str | None = None, release_key: str | None = None) -> tuple[Entry, ...]:
        return tuple(
            entry
            for entry in self.kept
            if service in (None, entry.act.service) and release_key in (None, entry.act.release_key)
        )

    def after(self, sequence: int, limit: int) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.kept if entry.sequence > sequence)[:limit]

    def newest_first(self, service: str) -> Iterator[Entry]:
        return reversed(self.entries(service))

    def verify(self) -> str | None:
        previous = "0" * 64
        for expected, entry in enumerate(self.kept, start=1):
            if entry.sequence != expected:
                return f"entry {expected} is missing"
            if entry.previous_hash != previous or entry.entry_hash != _hash(expected, entry.act, previous):
                return f"entry {expected} was changed"
            previous = entry.entry_hash
        return None


def _hash(sequence: int, act: Act, previous: str) -> str:
    told = sequence, act.at.timestamp(), act.actor, act.verb, act.service, act.release_key, act.digest
    return hashlib.sha256(repr((told, sorted(act.body.items()), previous)).encode()).hexdigest()
