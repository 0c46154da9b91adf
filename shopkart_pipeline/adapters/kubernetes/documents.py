"""Reading an API's documents, in which anything may be missing or null: that is then an empty part of its kind."""

from typing import Any, cast

from shopkart_pipeline.adapters.kubernetes.names import Manifest


def part(document: Manifest | None, *path: str) -> Manifest:
    """The object at a path; empty where there is none."""
    found: Manifest = document or {}
    for name in path:
        found = cast(Manifest, found.get(name) or {})
    return found


def parts(document: Manifest | None, *path: str) -> list[Manifest]:
    """The list of objects at a path; empty where there is none."""
    *before, last = path
    found: Any = part(document, *before).get(last)
    return cast("list[Manifest]", found or [])


def text(document: Manifest | None, *path: str) -> str:
    """The text at a path; empty where there is none."""
    *before, last = path
    found: Any = part(document, *before).get(last)
    return "" if found is None else str(found)


def number(document: Manifest | None, *path: str) -> int:
    """The whole number at a path; 0 where there is none."""
    return int(text(document, *path) or 0)


def name_of(document: Manifest) -> str:
    """An object's name."""
    return text(document, "metadata", "name")


def condition(document: Manifest | None, kind: str) -> Manifest:
    """A condition of an object's status; empty where it has none of that type."""
    for each in parts(document, "status", "conditions"):
        if each.get("type") == kind:
            return each
    return {}
