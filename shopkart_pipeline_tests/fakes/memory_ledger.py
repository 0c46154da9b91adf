"""A ledger in memory."""

from collections.abc import Collection, Iterator, Sequence

from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.hash_chain import GENESIS, SignedHead, StoredEntry, hash_of
from shopkart_pipeline.ports.ledger import DELIVERY, Act, Entry, Ledger, is_of_delivery


class MemoryLedger(Ledger):
    """Keeps entries in a list; tests may edit `kept` as an attacker would."""

    def __init__(self) -> None:
        self.kept: list[Entry] = []
        self.kept_heads: list[SignedHead] = []

    def append_all(self, acts: Sequence[Act]) -> tuple[Entry, ...]:
        return tuple(self._append(act) for act in acts)

    def _append(self, act: Act) -> Entry:
        previous, sequence = self.kept[-1].entry_hash if self.kept else GENESIS, len(self.kept) + 1
        self.kept.append(Entry(sequence, act, previous, hash_of(sequence, _document(act), previous)))
        return self.kept[-1]

    def append_once(self, act: Act) -> Entry:
        for entry in self.entries(act.service, act.release_key):
            if is_of_delivery(entry.act, act.verb, act.body[DELIVERY]):
                return entry
        return self._append(act)

    def entries(
        self, service: str | None = None, release_key: str | None = None, verbs: Collection[str] = ()
    ) -> tuple[Entry, ...]:
        return tuple(
            entry
            for entry in self.kept
            if service in (None, entry.act.service) and release_key in (None, entry.act.release_key)
            if not verbs or entry.act.verb in verbs
        )

    def after(self, sequence: int, limit: int) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.kept if entry.sequence > sequence)[:limit]

    def newest_first(self, service: str) -> Iterator[Entry]:
        return reversed(self.entries(service))

    def stored(self, after: int | None, limit: int) -> tuple[StoredEntry, ...]:
        found = [entry for entry in self.kept if after is None or entry.sequence > after]
        return tuple(map(_stored, found[:limit]))

    def newest(self) -> StoredEntry | None:
        return _stored(self.kept[-1]) if self.kept else None

    def heads(self, first: int = 0, limit: int | None = None) -> tuple[SignedHead, ...]:
        return tuple(head for head in self.kept_heads if head.sequence >= first)[:limit]

    def newest_head(self) -> SignedHead | None:
        return self.kept_heads[-1] if self.kept_heads else None

    def add_head(self, head: SignedHead, after: int) -> bool:
        newest = self.kept_heads[-1].sequence if self.kept_heads else 0
        if newest != after or head.sequence <= newest:
            return False
        self.kept_heads.append(head)
        return True


def _stored(entry: Entry) -> StoredEntry:
    act = entry.act
    document, chained = _document(act), (entry.previous_hash, entry.entry_hash)
    return StoredEntry(entry.sequence, act.service, act.release_key, act.verb, document, *chained)


def _document(act: Act) -> str:
    return canonical_json(act).decode()
