"""Whether the ledger is as it was written: its chain, its signed heads, and what is anchored elsewhere.

The entries are walked once, in their order, so the fault that is told is the first one. A chain alone proves little:
whoever can write to the store can make it anew from any entry on. A signed head proves every entry up to its own. What
came after the newest head is proved by nothing yet, and that the newest entries were taken away together with their
heads is told by an anchor alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.hash_chain import GENESIS, SignedHead, StoredEntry, fault_of, moment_of
from shopkart_pipeline.domain.ledger_head import HeadClaim, name_of
from shopkart_pipeline.ports.attestor import EnvelopeVerifier
from shopkart_pipeline.ports.ledger import AT_ONCE, Ledger
from shopkart_pipeline.ports.ledger_anchor import LedgerAnchor, Mark
from shopkart_pipeline.services.verify_head import verify_head

_BEGINNING = -(2**62)
_CLOCKS_DIFFER = timedelta(hours=1)
"""Several machines write and sign. A key that has ended signs nothing that happened later, whenever it says it did."""


@dataclass(frozen=True)
class LedgerProof:
    """What was found."""

    fault: str | None
    """What is wrong with the first entry or head that is not as it was; None: nothing."""
    first: int
    """The entry that was begun with; what is before it was not looked at."""
    last: int
    """The newest entry that was looked at and is well; 0: there is none."""
    proved: HeadClaim | None
    """The newest signed head that holds; None: nothing is proved against whoever can write to the store."""
    anchored: Mark | None
    """The newest head that is anchored elsewhere, and holds."""

    @property
    def unsigned(self) -> int:
        """How many entries came after the newest signed head."""
        return self.last - (self.proved.sequence if self.proved else self.first - 1)


def verify_ledger(
    ledger: Ledger, envelopes: EnvelopeVerifier | None, anchor: LedgerAnchor | None = None, *, first: int = 1
) -> LedgerProof:
    """Look at every entry from `first` on.

    Args:
        ledger: the ledger.
        envelopes: who knows the trusted keys; None: heads are not looked at.
        anchor: where heads are kept elsewhere, if they are.
        first: number of the entry to begin with; the one before it is taken as it stands.

    Raises:
        ToolUnavailable: ledger, keys or anchor can't be read, so nothing is known.
    """
    heads = None if envelopes is None else _Heads(ledger, envelopes, first)
    marks = None if envelopes is None or anchor is None else _Marks(anchor, envelopes, first)
    last = 0

    def proof(fault: str | None) -> LedgerProof:
        return LedgerProof(fault, first, last, heads.proved if heads else None, marks.anchored if marks else None)

    try:
        for entry in _whole_entries(ledger, first):
            if heads is not None:
                heads.look_at(entry)
            if marks is not None:
                marks.look_at(entry, heads.proved if heads else None)
            last = entry.sequence
        if heads is not None:
            heads.look_behind(last)
        if marks is not None:
            marks.look_behind(last)
    except _Found as found:
        return proof(str(found))
    return proof(ledger.index_fault())


class _Found(Exception):
    """The first fault."""


def _whole_entries(ledger: Ledger, first: int) -> Iterator[StoredEntry]:
    """Entries from a number on, each of which follows the one before."""
    after = None if first <= 1 else first - 1
    previous_hash, expected = GENESIS if after is None else _hash_of_entry(ledger, after), first
    while page := ledger.stored(after, AT_ONCE):
        for entry in page:
            fault = fault_of(entry, expected, previous_hash)
            if fault is not None:
                raise _Found(fault)
            yield entry
            previous_hash, expected, after = entry.entry_hash, expected + 1, entry.sequence


def _hash_of_entry(ledger: Ledger, number: int) -> str:
    for entry in ledger.stored(number - 1, 1):
        if entry.sequence == number:
            return entry.entry_hash
    raise _Found(f"entry {number} is missing")


class _Heads:
    """Signed heads beside the chain, in their order."""

    def __init__(self, ledger: Ledger, envelopes: EnvelopeVerifier, first: int) -> None:
        self.proved: HeadClaim | None = None
        self._envelopes = envelopes
        self._first = first
        self._before: SignedHead | None = None
        self._coming = self._read(ledger)
        self._next = next(self._coming, None)

    def _read(self, ledger: Ledger) -> Iterator[SignedHead]:
        first = _BEGINNING if self._first <= 1 else self._first
        while page := ledger.heads(first, AT_ONCE):
            yield from page
            first = page[-1].sequence + 1

    def look_at(self, entry: StoredEntry) -> None:
        """Whether an entry that follows well is the one that was signed, if it was."""
        while (head := self._next) is not None and head.sequence <= entry.sequence:
            self._look(head, entry)
            self._next = next(self._coming, None)

    def _look(self, head: SignedHead, entry: StoredEntry) -> None:
        claim = _claim(self._envelopes, head, "the signed head")
        if head.sequence != entry.sequence:
            raise _Found(f"the signed head of entry {head.sequence} is out of order")
        if claim.entry_hash != entry.entry_hash:
            changed = _span(self.proved, self._first, entry)
            raise _Found(f"{changed} since entry {entry.sequence} was signed {_on(claim.signed_at)}")
        latest = max(self.proved.signed_at if self.proved else claim.signed_at, moment_of(entry))
        if claim.signed_at < latest - _CLOCKS_DIFFER:
            said = f"says that it was signed {_on(claim.signed_at)}"
            raise _Found(f"the signed head of entry {head.sequence} {said}, behind what is of {_on(latest)[3:]}")
        is_linked = self._before is not None or self._first <= 1
        if is_linked and claim.previous != name_of(self._before):
            before = "another one" if self._before is None else f"that of entry {self._before.sequence}"
            raise _Found(f"the signed head of entry {head.sequence} does not follow {before}: one was taken away")
        self.proved, self._before = claim, head

    def look_behind(self, last: int) -> None:
        """There must be no head of an entry that is not there."""
        if self._next is not None:
            moment = _on(_claim(self._envelopes, self._next, "the signed head").signed_at)
            raise _Found(f"entry {last + 1} is missing: entry {self._next.sequence} was signed {moment}")


class _Marks:
    """Heads that are anchored elsewhere; each has to be among those beside the chain."""

    def __init__(self, anchor: LedgerAnchor, envelopes: EnvelopeVerifier, first: int) -> None:
        self.anchored: Mark | None = None
        self._anchor = anchor
        self._envelopes = envelopes
        self._first = first
        marks = [mark for mark in anchor.marks() if mark.sequence >= first]
        self._marks = {number: list(of_one) for number, of_one in groupby(marks, lambda mark: mark.sequence)}

    def look_at(self, entry: StoredEntry, proved: HeadClaim | None) -> None:
        """Whether an entry that follows well is the one that was anchored, if it was."""
        for mark in self._marks.pop(entry.sequence, ()):
            if mark.entry_hash != entry.entry_hash:
                changed = _span(proved, self._first, entry)
                moment = _on(self._claim(mark).signed_at)
                raise _Found(f"{changed} since the head of entry {entry.sequence} was anchored, signed {moment}")
            if proved is None or proved.sequence != entry.sequence:
                place = self._anchor.place
                raise _Found(f"the signed head of entry {entry.sequence} was taken away: {place} holds it")
            self.anchored = mark

    def look_behind(self, last: int) -> None:
        """There must be no head of an entry that is not there, and what the newest one says has to be signed."""
        for number, marks in self._marks.items():
            self._claim(marks[0])
            raise _Found(f"entry {last + 1} is missing: entry {number} is anchored in {self._anchor.place}")
        if self.anchored is not None:
            self._claim(self.anchored)

    def _claim(self, mark: Mark) -> HeadClaim:
        return _claim(self._envelopes, self._anchor.read(mark), f"what {self._anchor.place} holds as the head")


def _claim(envelopes: EnvelopeVerifier, head: SignedHead, what: str) -> HeadClaim:
    try:
        return verify_head(envelopes, head)
    except UntrustedInput as error:
        raise _Found(f"{what} of entry {head.sequence} is not one that counts: {error.what}") from error


def _span(proved: HeadClaim | None, first: int, entry: StoredEntry) -> str:
    """Which entries may be the one that was changed, given that this one is not what it was."""
    begin = (proved.sequence if proved else first - 1) + 1
    if begin == entry.sequence:
        return f"entry {begin} was changed, removed or put in"
    return f"one of entries {begin} to {entry.sequence} was changed, removed or put in"


def _on(moment: datetime) -> str:
    return f"on {moment.astimezone(UTC):%Y-%m-%d at %H:%M:%S} UTC"
