"""Reports as nobody honest writes them, for every adapter that reads any."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

ESCAPE = "\x1b]0;owned\x07\x1b[2Jgreen\u202etxt.exe\x00"
"""Sets a terminal's title, clears it, and turns the direction of writing."""

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**30), 0, -1]),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(
        ["", ESCAPE, "../../../etc/passwd", "/dev/zero", "\0", "nan", "x" * 5000, "💥", "file:///etc/passwd"]
    ),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)

DOCUMENTS = {
    "nothing": b"",
    "white space": b" \n",
    "null": b"null",
    "number": b"1",
    "text": b'"x"',
    "empty list": b"[]",
    "empty object": b"{}",
    "list of numbers": b"[1, 2]",
    "list of nulls": b"[null]",
    "list of empty objects": b"[{}]",
    "not a number": b"NaN",
    "infinity": b'[{"a": -Infinity}]',
    "endless number": b"1" * 5000,
    "deep list": b"[" * 200_000 + b"]" * 200_000,
    "deep open list": b"[" * 200_000,
    "deep object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "half a character": b'["\\ud800"]',
    "no text": bytes(range(256)),
    "other encoding": "[]".encode("utf-16"),
    "mark of byte order": b"\xef\xbb\xbf[]",
    "trailing words": b"[] and more",
    "page of a proxy": b"<!DOCTYPE html><html><body>Forbidden</body></html>",
    "no element": b"<?xml version='1.0'?>",
    "unknown encoding": b"<?xml version='1.0' encoding='x-none'?><testsuite/>",
    "wide encoding": b"<?xml version='1.0' encoding='utf-32'?><testsuite/>",
    "billion laughs": b"<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'ha'>"
    + b"".join(b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><testsuite name='&j;'/>",
    "entity of a file": b"<!DOCTYPE t [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><testsuite name='&f;'/>",
    "deep elements": b"<testsuite>" * 100_000 + b"</testsuite>" * 100_000,
    "deep coverage": b"<coverage><packages>" + b"<class>" * 100_000 + b"</class>" * 100_000 + b"</packages></coverage>",
}


def mutated_json(sample: bytes, draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    """A report in JSON with one to four of its values replaced, doubled or taken away."""
    document = json.loads(sample)
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(document))
        if not places:
            break
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        match draw(st.sampled_from(["replace", "remove", "double"])):
            case "replace":
                holder[key] = draw(VALUES)
            case "remove":
                del holder[key]
            case _ if isinstance(holder, list):
                holder.append(holder[key])
            case _:
                holder[key] = [holder[key], holder[key]]
    return json.dumps(document).encode()


def mutated_text(sample: bytes, draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    """A report with a piece of it replaced by something else."""
    start = draw(st.integers(0, len(sample)))
    end = draw(st.integers(start, min(len(sample), start + 40)))
    return sample[:start] + draw(_PIECES) + sample[end:]


_PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [b"", b"\0", b"&#x1b;[2J", b"&x;", b"<a>", b"]]>", b'"', b"'>", b"-1", b"nan", b"1e999", b"9" * 30]
    ),
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document that holds a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield value, key
            yield from _places(inner)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield value, number
            yield from _places(inner)
