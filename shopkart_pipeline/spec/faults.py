"""Collects every fault of a declaration with its line, and finds words for names, values and key paths.

Ordering: faults come out by line, then by path. A fault that follows from another one is left out: what stands
below or above a key whose own fault is known, and what is missing because its key was misspelt.
"""

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from shopkart_pipeline.domain.errors import DeclarationError, Fault

KeyPath = tuple[str | int, ...]
"""Keys and list indexes from the top of the document."""

WHOLE_FILE: KeyPath = ()
_LONGEST_SHOWN = 60
_SHORTEST_BEGINNING = 3
_MOST = 1000
_CREDENTIALS = re.compile(r"//[^/@\s]*@")


@dataclass(slots=True)
class Place:
    """Where something stands: its line (from 1), and the places of what it holds."""

    line: int
    children: dict[str | int, "Place"] = field(default_factory=dict[str | int, "Place"])

    def find(self, path: KeyPath) -> "Place | None":
        """The place of exactly that path, or None."""
        place: Place | None = self
        for segment in path:
            place = place.children.get(segment) if place else None
        return place

    def nearest_line(self, path: KeyPath) -> int:
        """The line of that path, or of the closest thing above it that is there."""
        place = self
        for segment in path:
            if segment not in place.children:
                break
            place = place.children[segment]
        return place.line


class Faults:
    """The faults of one file, in the making."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._root = Place(1)
        self._found: dict[tuple[int, str, str], Fault] = {}
        self._bad = _Paths()
        self._meant = _Paths()

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def full(self) -> bool:
        """Whether there are so many faults that nobody reads more."""
        return len(self._found) >= _MOST

    def located_in(self, root: Place) -> None:
        """From now on, take lines from this document."""
        self._root = root

    def has(self, path: KeyPath) -> bool:
        """Whether the document says anything at that path."""
        return self._root.find(path) is not None

    def add(self, path: KeyPath, message: str) -> None:
        """A fault at a key path."""
        self.add_at(self._root.nearest_line(path), path, message)

    def add_at(self, line: int, path: KeyPath, message: str) -> None:
        """A fault at a line (from 1) that is known already."""
        if not self.full:
            shown, said = show_path(path), _printable(message)
            self._found.setdefault((line, shown, said), Fault(self._file, line, shown, said))

    def add_form(self, path: KeyPath, message: str, *, line: int | None = None, meant: KeyPath | None = None) -> None:
        """A fault in form, at something that can't be looked at any further.

        Args:
            path: where it is.
            message: what is wrong, and how to mend it.
            line: its line (from 1), where the document doesn't know it.
            meant: the path that was probably meant, for a key that is unknown.
        """
        self._bad.add(path)
        if meant is not None:
            self._meant.add(meant)
        self.add_at(line or self._root.nearest_line(path), path, message)

    def covers(self, path: KeyPath) -> bool:
        """Whether a fault in form is above, below or at that path, or meant to be."""
        return self._bad.overlap(path) or self._meant.overlap(path)

    def add_meaning(self, path: KeyPath, message: str) -> None:
        """A fault in what the declaration means, unless it only follows from a fault in form."""
        if not self._bad.overlap(path):
            self.add(path, message)

    def add_missing(self, path: KeyPath, message: str, *, sources: Iterable[KeyPath] = ()) -> None:
        """Something that has to be said and is not, unless something faulty was meant to say it.

        Args:
            path: where it could be said.
            message: what is missing, and how to say it.
            sources: further paths where it could have been said, such as one in `defaults`.
        """
        if not any(self.covers(place) for place in (path, *sources)):
            self.add(path, message)

    def alone(self, line: int, message: str, path: KeyPath = WHOLE_FILE) -> DeclarationError:
        """The error for a fault that leaves nothing else to look at; what was found before is dropped."""
        self._found.clear()
        self.add_at(line, path, message)
        return self.error()

    def error(self) -> DeclarationError:
        """All faults as one error, by line."""
        found = [self._found[key] for key in sorted(self._found)]
        if self.full:
            message = f"there may be more than these {_MOST} faults; mend them first"
            found.append(Fault(self._file, found[-1].line, show_path(WHOLE_FILE), message))
        return DeclarationError(tuple(found))


class _Paths:
    """Key paths, and whether another one is above, below or equal to one of them."""

    def __init__(self) -> None:
        self._paths: set[KeyPath] = set()
        self._above: set[KeyPath] = set()

    def add(self, path: KeyPath) -> None:
        self._paths.add(path)
        self._above.update(path[:length] for length in range(len(path) + 1))

    def overlap(self, path: KeyPath) -> bool:
        return path in self._above or any(path[:length] in self._paths for length in range(len(path)))


def show_path(path: KeyPath) -> str:
    """A key path as people read it, such as `services.backend.stages.lint.needs[0]`."""
    shown = ""
    for segment in path:
        if isinstance(segment, int):
            shown += f"[{segment}]"
        else:
            shown += ("." if shown else "") + _show_key(segment)
    return shown or "(file)"


def _show_key(key: str) -> str:
    plain = key.replace("_", "").replace("-", "").isalnum() and key.isascii() and len(key) <= _LONGEST_SHOWN
    return key if plain else show(key)


def _printable(text: str) -> str:
    """The text with everything escaped that a terminal would act on."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def show(value: object) -> str:
    """A value in words of YAML, on one line, shortened, without anything that a terminal would act on."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "keys with values"
        case list():
            return "a list"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case _:
            text = _CREDENTIALS.sub("//***@", str(value))
            shortened = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
            return json.dumps(shortened)


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that is written most alike, or that alone begins like it, if any does."""
    return _nearest_name(name[:_LONGEST_SHOWN], tuple(known))


@lru_cache(maxsize=256)
def _nearest_name(name: str, names: tuple[str, ...]) -> str | None:
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    longer = [each for each in names if len(name) >= _SHORTEST_BEGINNING and each.startswith(name)]
    return close[0] if close else longer[0] if len(longer) == 1 else None


def nearest(name: str, known: Iterable[str]) -> str:
    """How to go on after an unknown name: the nearest known one, or all of them."""
    names = list(known)
    close = nearest_name(name, names)
    if close:
        return f"did you mean {close}?"
    if not names:
        return "none is declared"
    shown = ", ".join(sorted(names)[:20])
    return f"known: {shown}" + (", ..." if len(names) > 20 else "")
