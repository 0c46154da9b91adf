"""The secrets that this process knows, by value, and how they are kept out of everything that leaves it.

Whoever reads a secret makes it known here; every exit (logs, errors, reports, notes, events, answers, notifications)
passes what it lets out through `masked`. What is looked for is the value itself, whatever stands beside it, and what
usual encodings make of it: JSON, percent-encoding, XML, hexadecimal, and base64 at each of its three offsets, as in
`Authorization: Basic`. Of a secret of several lines, such as a private key, each longer line counts by itself. A value
of less than eight characters, or a short word of letters alone, is not looked for: it would be found in half of all
texts, and protects nothing. Other forms (compressed, encrypted, cut in pieces) are not found.

Where a text was cut to some length, half of a value or more at its end goes, too. Masking again changes nothing.
`blotted` keeps the length, for what has been measured or is written elsewhere meanwhile.
This module imports nothing of ours, so that every room can use it.
"""

import html
import json
import re
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import quote, quote_plus, unquote

MASK = "[redacted]"
SHORTEST_CHARACTERS = 8
_SHORTEST_WORD = 12
_SHORTEST_LINE = 16
_MOST_PASSING = 16
_PIECE_BYTES = 1 << 20
Data = TypeVar("Data")


class KnownSecrets:
    """A set of values that only grows; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Look for nothing any more; for tests."""
        self._forms: dict[str, frozenset[str]] = {}
        self._passing: list[str] = []
        self._texts: tuple[str, ...] = ()
        self._bytes: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._texts)

    def add(self, *values: str) -> None:
        """Look for these values from now on."""
        with self._lock:
            fresh = {value.strip() for value in values} - self._forms.keys()
            self._look_for({value for value in fresh if _is_looked_for(value)})

    def add_passing(self, value: str) -> None:
        """Look for a value that is replaced by another before long; only the newest of such values are kept."""
        with self._lock:
            if _is_looked_for(value) and value not in self._forms:
                self._passing.append(value)
                while len(self._passing) > _MOST_PASSING:
                    del self._forms[self._passing.pop(0)]
                self._look_for({value})

    def _look_for(self, fresh: set[str]) -> None:
        if fresh:
            self._forms |= {value: frozenset(_forms(value)) for value in fresh}
            # What holds another is replaced whole.
            forms = frozenset[str]().union(*self._forms.values())
            self._texts = tuple(sorted(forms, key=len, reverse=True))
            self._bytes = tuple(text.encode(errors="surrogateescape") for text in self._texts)

    def masked(self, text: str) -> str:
        """The text without any of them, and without the larger part of one with which it breaks off."""
        found = [form for form in self._texts if form in text]
        text = re.sub("|".join(map(re.escape, found)), MASK, text) if found else text
        cut = min(filter(None, (_cut_off(text, form) for form in self._texts)), default=0)
        return f"{text[:cut]}{MASK}" if cut else text

    def masked_bytes(self, content: bytes) -> bytes:
        """The content without any of them, in UTF-8 as in ASCII."""
        found = [form for form in self._bytes if form in content]
        return re.sub(b"|".join(map(re.escape, found)), MASK.encode(), content) if found else content

    def blotted(self, content: bytes) -> bytes:
        """The content with asterisks in their place, as many bytes as it had."""
        found = [form for form in self._bytes if form in content]
        for form in found:
            content = content.replace(form, b"*" * len(form))
        return content

    def blot_file(self, path: Path, start_bytes: int = 0) -> None:
        """Blot a file in place, from `start_bytes` on: whoever appends to it meanwhile is not disturbed."""
        longest = max(map(len, self._bytes), default=0)
        if not longest or not path.is_file():
            return
        with path.open("r+b") as stream:
            at = max(0, start_bytes)
            while True:
                stream.seek(at)
                piece = stream.read(_PIECE_BYTES + longest)
                blotted = self.blotted(piece)
                if blotted is not piece:
                    stream.seek(at)
                    stream.write(blotted)
                if len(piece) < _PIECE_BYTES + longest:
                    return
                # The last bytes are looked at again, with what follows them.
                at += _PIECE_BYTES


KNOWN = KnownSecrets()
"""Those of this process; a process that is forked from it begins with them."""


def know(*values: str | bytes | None) -> None:
    """Keep these values out of everything that leaves this process; empty ones are no secrets."""
    KNOWN.add(*(value.decode(errors="replace") if isinstance(value, bytes) else value for value in values if value))


def know_passing(value: str | bytes) -> None:
    """The same for a value that is replaced by another before long, as a token that is valid for an hour."""
    KNOWN.add_passing(value.decode(errors="replace") if isinstance(value, bytes) else value)


def masked(text: str) -> str:
    """The text without any secret that this process knows."""
    return KNOWN.masked(text)


def masked_data(value: Data) -> Data:
    """Plain data (dataclasses, mappings, tuples and lists of words and numbers) with every text in it masked."""
    return cast(Data, _masked_data(value)) if KNOWN else value


def _masked_data(value: object) -> object:
    match value:
        case str() if type(value) is str:
            return KNOWN.masked(value)
        case bytes():
            return KNOWN.masked_bytes(value)
        case tuple() | list():
            parts = map(_masked_data, cast(Iterable[object], value))
            return list(parts) if isinstance(value, list) else tuple(parts)
        case Mapping():
            return {
                _masked_data(name): _masked_data(each) for name, each in cast(Mapping[object, object], value).items()
            }
        case _ if is_dataclass(value) and not isinstance(value, type):
            given = {each.name: _masked_data(getattr(value, each.name)) for each in fields(value) if each.init}
            return replace(value, **given)
        case _:
            return value


def _cut_off(text: str, form: str) -> int:
    """Where a text breaks off within a form, of which half or more is there; 0 for nowhere."""
    least = max(SHORTEST_CHARACTERS, len(form) // 2)
    start = text.find(form[:least], max(1, len(text) - len(form) + 1))
    return start if start > 0 and form.startswith(text[start:]) else 0


def _is_looked_for(value: str) -> bool:
    return len(value) >= (_SHORTEST_WORD if value.isalpha() else SHORTEST_CHARACTERS)


def _forms(value: str) -> Iterator[str]:
    """The value and what encodings make of it."""
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        for line in lines:
            if len(line) >= _SHORTEST_LINE and not line.startswith("-----"):
                yield from _forms(line)
    yield value
    if not value.isprintable() and any("\ud800" <= character <= "\udfff" for character in value):
        return  # It came as bytes that are no text, and nothing encodes it otherwise.
    yield " ".join(value.split())
    for ascii_only in (True, False):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]
    for quoted in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield quoted
        yield re.sub("%..", lambda found: found[0].lower(), quoted)
    yield html.escape(value)
    yield html.escape(value, quote=False)
    plain = value.encode(errors="replace")
    yield plain.hex()
    for encode in (b64encode, urlsafe_b64encode):
        for offset in range(3):
            # Only characters that all of their bits are the value's.
            end = (offset + len(plain)) * 8 // 6
            yield encode(bytes(offset) + plain)[(0, 2, 3)[offset] : end].decode()


def passwords_of(address: str) -> Iterable[str]:
    """The passwords in an address, as it stands there and as it is meant: `scheme://user:PASSWORD@host`, or libpq's
    `password=PASSWORD`."""
    found = [*re.findall(r"://[^/@\s:]*:([^/\s]*)@", address), *re.findall(r"[?&\s]password=([^&\s]+)", f" {address}")]
    found += re.findall(r"password='([^']+)'", address)
    return [form for each in found for form in (each, unquote(each))]
