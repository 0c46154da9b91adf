"""A package that was found in an image, on its way to a component; what can't be told is a note.

Names and versions come from files that whoever built the image chose: what is no name and no version of any ecosystem
is not repeated, but the file that it stands in is named.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from shopkart_pipeline.adapters._image_tree import KeptFile
from shopkart_pipeline.domain.component import Component, PackageVersion, Place

_NAME = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._+~/-]{0,213}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~:!-]{0,127}")
_MOST_NAMED = 5


@dataclass(frozen=True)
class Found:
    """One package at one place."""

    component: Component
    site: str
    """The folder in which packages of its kind see each other."""
    wants: tuple[str, ...] = ()
    """Names of packages that it says it needs."""


@dataclass
class Findings:
    """What a reader found, and the files that it could make nothing of."""

    found: list[Found] = field(default_factory=list[Found])
    unreadable: list[str] = field(default_factory=list[str])

    def note(self, kind: str) -> tuple[str, ...]:
        """The note about what can't be read; none where all can."""
        if not self.unreadable:
            return ()
        more = len(self.unreadable) - _MOST_NAMED
        named = ", ".join(sorted(self.unreadable)[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        return (f"Packages of {kind} whose name or version can't be read: {named}.",)


def is_package(name: object, version: object) -> bool:
    """Whether these may be the name and version of a package of any ecosystem."""
    return (
        isinstance(name, str)
        and isinstance(version, str)
        and _NAME.fullmatch(name) is not None
        and _VERSION.fullmatch(version) is not None
    )


def place_of(file: KeptFile) -> Place:
    """Where a file is, as a component names it."""
    return Place(file.path, file.layer)


def merged(components: Iterable[Component]) -> tuple[Component, ...]:
    """Each package once, with all its places and needs, sorted."""
    together: dict[PackageVersion, list[Component]] = {}
    for component in components:
        together.setdefault(component.package, []).append(component)
    return tuple(_one(together[package]) for package in sorted(together))


def _one(same: Sequence[Component]) -> Component:
    first = min(same, key=lambda each: each.places)
    return replace(
        first,
        places=tuple(sorted({place for each in same for place in each.places})),
        needs=tuple(sorted({need for each in same for need in each.needs})),
        hashes=tuple(sorted({one for each in same for one in each.hashes})),
    )
