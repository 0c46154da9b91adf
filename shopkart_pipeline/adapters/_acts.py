"""Acts as documents: what a ledger stores, and how it is read again."""

from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.hash_chain import GENESIS, StoredEntry, hash_of
from shopkart_pipeline.known_secrets import masked
from shopkart_pipeline.ports.ledger import Act, Entry

_ACT = TypeAdapter(Act)


def chained(acts: Sequence[Act], newest: tuple[int, str] | None) -> list[StoredEntry]:
    """Acts as they are stored behind the newest entry, of which number and hash are given; None: there is none. No
    document holds a known secret."""
    number, previous = newest or (0, GENESIS)
    stored = list[StoredEntry]()
    for sequence, act in enumerate(acts, start=number + 1):
        document = masked(canonical_json(act).decode())
        entry_hash = hash_of(sequence, document, previous)
        stored.append(StoredEntry(sequence, act.service, act.release_key, act.verb, document, previous, entry_hash))
        previous = entry_hash
    return stored


def entries_with(acts: Sequence[Act], stored: Sequence[StoredEntry]) -> tuple[Entry, ...]:
    """The same as entries."""
    pairs = zip(acts, stored, strict=True)
    return tuple(Entry(each.sequence, act, each.previous_hash, each.entry_hash) for act, each in pairs)


def entry_of(sequence: int, document: str, previous_hash: str, entry_hash: str) -> Entry:
    """A stored entry; raises `PipelineError` for what can't be read."""
    try:
        act = _ACT.validate_json(document)
    except ValidationError:
        raise PipelineError(f"Entry {sequence} of the ledger can't be read.", "See `shopkart ledger verify`.") from None
    return Entry(sequence, act, previous_hash, entry_hash)
