"""What software consists of: packages of others, with where they were found and what is known of them.

A package in a version is told apart by ecosystem, name and version, with the names that OSV uses for ecosystems
(`PyPI`, `npm`, `Debian`, `Alpine`). What can't be told is a note of the bill: a bill that says nothing about something
and one that says that it does not know are two things.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

CYCLONEDX = "application/vnd.cyclonedx+json"
"""Media type of a bill of materials."""


@dataclass(frozen=True, order=True)
class PackageVersion:
    """One package in one version."""

    ecosystem: str
    name: str
    """Normalised as its ecosystem does."""
    version: str


@dataclass(frozen=True, order=True)
class Place:
    """Where a component was found in an image."""

    path: str
    """The file that tells of it, from the image's root."""
    layer: str
    """Digest of the layer that brought that file."""


@dataclass(frozen=True)
class Component:
    """One package of others."""

    package: PackageVersion
    purl: str
    places: tuple[Place, ...] = ()
    """Empty: it is named, and not installed."""
    licence: str | None = None
    """In SPDX; None where that can't be told."""
    said_licence: str = ""
    """In its own words, shortened."""
    hashes: tuple[str, ...] = ()
    """What the lock allows a distribution of it to be, such as `sha256:...`."""
    needs: tuple[str, ...] = ()
    """Package URLs of the components that it says it needs, as far as they are there."""
    properties: Mapping[str, str] = field(default_factory=dict[str, str])


class BillKind(StrEnum):
    """What a bill of materials is about."""

    IMAGE = "image"
    APPLICATION = "application"


@dataclass(frozen=True)
class BillOfMaterials:
    """What an image, or the application in it, consists of."""

    kind: BillKind
    name: str
    version: str
    """The image's digest, or the application's commit."""
    digest: str
    """Of the image."""
    made_at: datetime
    """The moment that the image names: the same image gives the same bill."""
    components: tuple[Component, ...]
    notes: tuple[str, ...] = ()
    """What can't be told, in whole sentences."""
    properties: Mapping[str, str] = field(default_factory=dict[str, str])
    """Such as the release of the operating system."""


@dataclass(frozen=True)
class ImageContents:
    """What an image holds, as its layers tell."""

    digest: str
    """Of the image that was looked at."""
    created_at: datetime | None
    components: tuple[Component, ...]
    notes: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict[str, str])
