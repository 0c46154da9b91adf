"""YAML text to plain values and their places, strictly: what a reader could take for something else is a fault.

YAML 1.2's core schema decides what is a number, a truth value or nothing; keys are always text. A key that is
written twice, an alias, a tag, a second document and nesting beyond reason are faults (aliases are how small files
become gigabytes; `defaults` does their job). It works on libyaml's event stream, which takes a tenth of the time
of loading values with PyYAML; that, and the refusals above, are why `dagster_shared.yaml_utils` is not used.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from shopkart_pipeline.spec.faults import Faults, KeyPath, Place, show
from shopkart_pipeline.spec.yaml_errors import syntax_fault

Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]

_DEEPEST = 24
_YAML: Any = yaml
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, Value] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})?\.[0-9]{1,30}([eE][-+]?[0-9]{1,3})?")


@dataclass(frozen=True)
class Document:
    """A YAML document: what it says, and where."""

    value: dict[str, Value]
    place: Place


def parse_document(text: str, faults: Faults, holds: str = "services") -> Document:
    """Parse a YAML document whose top level is keys with values.

    Args:
        text: the document.
        faults: gets what is wrong with keys, aliases and tags; parsing goes on after those.
        holds: the key that it is all about, for the advice on an empty document.

    Raises:
        DeclarationError: the text is no YAML, nested too deep, or there is nothing in it to look at.
    """
    try:
        reader = _Reader(_YAML.parse(text, Loader=_LOADER), faults)
        value, place = reader.document()
    except yaml.YAMLError as error:
        line, message = syntax_fault(error, text)
        raise faults.alone(line, message) from None
    if value is None:
        raise faults.alone(1, f"the file is empty; begin with `version: 1` and `{holds}:`")
    if not isinstance(value, dict):
        message = f"expected keys with values at the top, got {show(value)}; begin with `version: 1`"
        raise faults.alone(place.line, message)
    return Document(value, place)


class _Reader:
    """Turns an event stream into values and places; recursion is bounded by `_DEEPEST`."""

    def __init__(self, events: Iterator[yaml.Event], faults: Faults) -> None:
        self._events = events
        self._faults = faults

    def document(self) -> tuple[Value, Place]:
        value: Value = None
        place = Place(1)
        documents = 0
        for event in self._events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            documents += 1
            if documents == 2:
                self._faults.add_at(_line(event), (), "there is a second document (`---`); keep one in a file")
            content = next(self._events)
            read = self._node(content, (), _line(content))
            if documents == 1:
                value, place = read
        return value, place

    def _node(self, event: Any, path: KeyPath, line: int) -> tuple[Value, Place]:
        """The value that begins with `event`; `line` is that of its key or list item."""
        if isinstance(event, yaml.AliasEvent):
            self._refuse(line, path, f"the alias *{event.anchor} is not allowed; put what is shared into `defaults`")
            return None, Place(line)
        if event.tag is not None:
            self._refuse(line, path, f"the tag {show(event.tag)} is not allowed; write the plain value")
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event), Place(line)
        self._limit(len(path), line)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path, line)
        return self._mapping(path, line)

    def _sequence(self, path: KeyPath, line: int) -> tuple[Value, Place]:
        items: list[Value] = []
        place = Place(line)
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            index = len(items)
            item, place.children[index] = self._node(event, (*path, index), _line(event))
            items.append(item)
        return items, place

    def _mapping(self, path: KeyPath, line: int) -> tuple[Value, Place]:
        entries: dict[str, Value] = {}
        place = Place(line)
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key_line = _line(event)
            key = self._key(event, path, key_line)
            value, value_place = self._node(next(self._events), (*path, key or "?"), key_line)
            if key is None:
                continue
            if key in entries:
                first = place.children[key].line
                message = f"the key is written twice (first on line {first}); keep one"
                self._faults.add_at(key_line, (*path, key), message)
                continue
            entries[key], place.children[key] = value, value_place
        return entries, place

    def _key(self, event: Any, path: KeyPath, line: int) -> str | None:
        """The text of a key; None, with a fault, where it is no text."""
        if isinstance(event, yaml.ScalarEvent):
            text = str(event.value)
            if text == "<<":
                message = "the merge key << is not allowed; put what is shared into `defaults`"
                self._refuse(line, (*path, text), message)
                return None
            return text
        message = "a key has to be text; a value that begins with { or [ has to be in quotes"
        self._faults.add_form((*path, "?"), message, line=line, meant=path)
        if not isinstance(event, yaml.AliasEvent):
            self._skip(line)
        return None

    def _skip(self, line: int) -> None:
        """Read on to the end of the collection that has just begun."""
        depth = 1
        while depth:
            event = next(self._events)
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            self._limit(depth, line)

    def _limit(self, depth: int, line: int) -> None:
        # At once, because libyaml's time grows with the square of the depth.
        if depth >= _DEEPEST:
            raise self._faults.alone(line, f"this is nested more than {_DEEPEST} levels deep; make it flatter")

    def _refuse(self, line: int, path: KeyPath, message: str) -> None:
        self._faults.add_form(path, message, line=line)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _scalar(event: Any) -> Value:
    text = str(event.value)
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
