"""Entries as they are stored, each chained to the entry before it, and what is wrong with one.

An entry's hash is SHA-256 over its number, the hash of the entry before, and its document, a line each. So whoever
knows one hash can tell whether everything up to it is as it was. Who can write to a ledger can make all hashes anew,
or take the newest entries away: against that, heads are signed (see `services/verify_ledger`).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

GENESIS = "0" * 64
"""Stands where the first entry names the hash before it."""
_TEXTS = frozenset({"actor", "verb", "service", "release_key", "digest"})


@dataclass(frozen=True)
class StoredEntry:
    """An entry as it is stored; it says what an act is only if nobody changed it."""

    sequence: int
    service: str
    release_key: str
    verb: str
    """As is `service` and `release_key`, where it is filed; the document is what counts."""
    document: str
    """Canonical JSON of the act."""
    previous_hash: str
    entry_hash: str


@dataclass(frozen=True)
class SignedHead:
    """That the ledger had this entry, in the words of whoever signs for the pipeline."""

    sequence: int
    entry_hash: str
    envelope: bytes
    """DSSE, with a statement of type `LEDGER_HEAD`."""


def hash_of(sequence: int, document: str, previous_hash: str) -> str:
    """SHA-256 over an entry's number, the hash of the entry before, and its canonical JSON."""
    return hashlib.sha256(f"{sequence}\n{previous_hash}\n{document}".encode(errors="surrogatepass")).hexdigest()


def fault_of(entry: StoredEntry, sequence: int, previous_hash: str) -> str | None:
    """What is wrong with an entry where number `sequence` is to follow the hash `previous_hash`; None if nothing is."""
    if entry.sequence != sequence:
        return f"entry {sequence} is missing: entry {entry.sequence} stands in its place"
    if entry.previous_hash != previous_hash:
        return f"entry {sequence} does not follow entry {sequence - 1}"
    # A database may give back what is no text.
    if not isinstance(cast(object, entry.document), str):
        return f"entry {sequence} was changed"
    if entry.entry_hash != hash_of(sequence, entry.document, previous_hash):
        return f"entry {sequence} was changed"
    act = _read(entry.document)
    if act is None:
        return f"entry {sequence} can't be read"
    if (act["service"], act["release_key"], act["verb"]) != (entry.service, entry.release_key, entry.verb):
        return f"entry {sequence} is filed under another release or verb"
    return None


def moment_of(entry: StoredEntry) -> datetime:
    """When the act of an entry without fault was done."""
    return datetime.fromisoformat(json.loads(entry.document)["at"])


def _read(document: str) -> Mapping[str, Any] | None:
    """The act in a document; None for what is no act."""
    try:
        act = cast(dict[str, Any], json.loads(document))
        texts = [act[name] for name in _TEXTS] + [*act["body"], *act["body"].values()]
        is_act = frozenset(act) == _TEXTS | {"at", "body"} and all(isinstance(text, str) for text in texts)
        return act if is_act and datetime.fromisoformat(act["at"]).tzinfo else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
