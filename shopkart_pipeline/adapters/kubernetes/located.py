"""YAML of somebody else's with the place of everything in it: file and line, also after files were merged.

The line of a value is that of its key, which is the one to change. Values follow YAML 1.1, as the tools of Kubernetes
read them. What a reader could take for something else, or what would fill the memory, is refused with its place.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import yaml

from shopkart_pipeline.adapters._yaml_shape import LOADER, check_shape
from shopkart_pipeline.domain.errors import UntrustedInput

_YAML: Any = yaml
_MOST_NODES = 100_000
"""Counted with every alias followed, so that a small file can't become a large document."""
_DEEPEST = 60

Scalar = str | int | float | bool | None


@dataclass
class Node:
    """A value and where it stands."""

    content: "dict[str, Node] | list[Node] | Scalar"
    file: str
    """As the findings name it."""
    line: int

    def get(self, *path: str | int) -> "Node | None":
        """What is at a path below; None where nothing is, or nothing is said."""
        node: Node | None = self
        for segment in path:
            match node.content:
                case dict() as entries if isinstance(segment, str):
                    node = entries.get(segment)
                case list() as items if isinstance(segment, int) and segment < len(items):
                    node = items[segment]
                case _:
                    return None
            if node is None or node.content is None:
                return None
        return node

    def nearest(self, *path: str) -> "Node":
        """What is at a path, or the closest thing above it that is there: the place to add what is missing."""
        node = self
        for segment in path:
            node = node.get(segment) or node
        return node

    def value(self, *path: str | int) -> Scalar:
        """The plain value at a path; None where there is none."""
        found = self.get(*path)
        return None if found is None or isinstance(found.content, dict | list) else found.content

    def text(self, *path: str | int) -> str:
        """The value at a path as text; empty where there is none."""
        found = self.value(*path)
        return "" if found is None else str(found)

    def items(self, *path: str | int) -> "tuple[Node, ...]":
        """The items of the list at a path; none where there is no list."""
        found = self.get(*path)
        return tuple(found.content) if found is not None and isinstance(found.content, list) else ()

    def entries(self, *path: str | int) -> "dict[str, Node]":
        """The entries of the mapping at a path; none where there is no mapping."""
        found = self.get(*path)
        return found.content if found is not None and isinstance(found.content, dict) else {}

    def plain(self) -> Any:
        """The value without its places."""
        match self.content:
            case dict() as entries:
                return {key: node.plain() for key, node in entries.items()}
            case list() as items:
                return [item.plain() for item in items]
            case scalar:
                return scalar


def located(value: Any, file: str, line: int = 1) -> Node:
    """A plain value as if all of it stood in one line."""
    match value:
        case dict():
            entries = cast(dict[str, Any], value)
            return Node({str(key): located(each, file, line) for key, each in entries.items()}, file, line)
        case list():
            return Node([located(each, file, line) for each in cast(list[Any], value)], file, line)
        case _:
            return Node(value, file, line)


def read_documents(text: str, file: str) -> tuple[Node, ...]:
    """The documents of a YAML stream that are not empty.

    Args:
        text: the stream.
        file: what its places are named after.

    Raises:
        UntrustedInput: it is no YAML, or none that can be understood in one way alone.
    """
    try:
        check_shape(text, _DEEPEST)
    except ValueError as error:
        raise UntrustedInput(f"{file} can't be read: {error}.", "Make it flatter.") from None
    except yaml.YAMLError:
        pass  # Told below, with its place.
    try:
        reader = _Reader(file)
        documents = [reader.read(root, 0, _line(root)) for root in _YAML.compose_all(text, Loader=LOADER) if root]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark: Any = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark is not None else file
        problem = getattr(error, "problem", None) or str(error) or type(error).__name__
        raise UntrustedInput(f"{where} is no YAML: {problem}.", "Mend it.") from None
    return tuple(_flattened(documents))


def _flattened(documents: list[Node]) -> Iterator[Node]:
    """Documents with lists of objects taken apart, as kubectl does."""
    for document in documents:
        if document.content is None:
            continue
        if document.text("kind") == "List":
            yield from document.items("items")
        else:
            yield document


class _Reader:
    """Turns YAML's nodes into values with places."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._constructor: Any = yaml.SafeLoader("")
        self._count = 0

    def read(self, node: Any, depth: int, line: int) -> Node:
        self._count += 1
        if self._count > _MOST_NODES or depth > _DEEPEST:
            raise UntrustedInput(f"{self._file}:{line} is too large or nested too deep.", "Split the file.")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth, line)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.read(each, depth + 1, _line(each)) for each in node.value], self._file, line)
        return Node(self._scalar(node, line), self._file, line)

    def _mapping(self, node: yaml.MappingNode, depth: int, line: int) -> Node:
        entries: dict[str, Node] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else None
            if name is None or name == "<<":
                raise UntrustedInput(f"{self._file}:{_line(key)} has a key that is no plain text.", "Write it out.")
            if name in entries:
                raise UntrustedInput(f"{self._file}:{_line(key)} has the key {name!r} twice.", "Keep one.")
            entries[name] = self.read(value, depth + 1, _line(key))
        return Node(entries, self._file, line)

    def _scalar(self, node: Any, line: int) -> Scalar:
        value: Any = self._constructor.construct_object(node, deep=True)
        if value is None or isinstance(value, str | int | float | bool):
            return value
        return str(node.value)  # A date: Kubernetes takes it as text.


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1
