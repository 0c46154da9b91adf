"""Under which names signed heads are anchored: the entry's number and hash, so that names alone tell what is there."""

import re
from collections.abc import Iterable

from shopkart_pipeline.ports.ledger_anchor import Mark

LONGEST_BYTES = 1 << 20
"""Of a head that is read again."""
_NAME = re.compile(r"([0-9]{12})-([0-9a-f]{64})\.dsse\.json")


def anchored_name(mark: Mark) -> str:
    """The name of a head; in the order of names, numbers are in order, too."""
    return f"{mark.sequence:012d}-{mark.entry_hash}.dsse.json"


def marks_in(names: Iterable[str]) -> tuple[Mark, ...]:
    """Which heads these names are of, in order; other names are nothing of ours."""
    found = (_NAME.fullmatch(name) for name in sorted(names))
    return tuple(Mark(int(name[1]), name[2]) for name in found if name is not None)
