"""What goes forward and back together: an image, and the configuration that it runs with.

A release unit is named by two digests. The configuration is everything of the wanted workload that changes what runs:
command, variables, probes, what a pod needs, references to secrets with their versions, a team's own manifests. How
many replicas there are and how requests reach them is not: that belongs to the environment and to the day.

What is as it would be unsaid is left out of the digest, so that a field which a later version of the pipeline adds is
no other configuration. What was recorded before configurations had a digest has none: then the images alone are
compared, which is all that is known.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Any, cast

from shopkart_pipeline.domain.canonical import digest_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CONFIGURATION = "configuration"
"""In evidence, the name of the fact that says which configuration it is about."""
NOT_RECORDED = "not recorded"
"""In evidence, for the configuration of what was recorded before configurations had a digest."""
_SHOWN_CHARACTERS = 12


@dataclass(frozen=True)
class ReleaseUnit:
    """An image with its configuration."""

    digest: str
    """Of the image's manifest."""
    configuration: str | None = None
    """`sha256:` over the configuration; None where it was not recorded."""

    def is_same(self, other: "ReleaseUnit | None") -> bool:
        """Whether both are the same unit, as far as is known of them."""
        if other is None or self.digest != other.digest:
            return False
        return None in (self.configuration, other.configuration) or self.configuration == other.configuration

    def told_beside(self, *others: "ReleaseUnit | None") -> str:
        """The image, with the configuration where the image alone does not tell it from the others."""
        if self.configuration is None or all(other is None or other.digest != self.digest for other in others):
            return self.digest
        return f"{self.digest} with configuration {short(self.configuration)}"


def short(configuration: str | None) -> str:
    """A configuration's digest as people read it."""
    if configuration is None:
        return NOT_RECORDED
    kind, _, digits = configuration.partition(":")
    return digits[:_SHOWN_CHARACTERS] if kind == "sha256" else configuration


def configuration_digest(workload: "DataclassInstance", leaving_out: Collection[str]) -> str:
    """`sha256:` over all that is said in a workload, but for fields that are no configuration."""
    return digest_of(_configuration(workload, leaving_out))


def changed_parts(
    before: "DataclassInstance", after: "DataclassInstance", leaving_out: Collection[str]
) -> tuple[str, ...]:
    """Which parts of two configurations differ, such as `variables.DEBUG`; their values are not told."""
    old, new = (dict(_leaves(_configuration(each, leaving_out))) for each in (before, after))
    return tuple(name for name in sorted({*old, *new}) if (name in old, old.get(name)) != (name in new, new.get(name)))


def _configuration(workload: "DataclassInstance", leaving_out: Collection[str]) -> Mapping[str, object]:
    said = cast(dict[str, object], _said(workload))
    return {name: value for name, value in said.items() if name not in leaving_out}


def _leaves(said: object, path: str = "") -> Iterator[tuple[str, object]]:
    if not isinstance(said, Mapping):
        yield path, said
        return
    for name, value in cast(Mapping[str, object], said).items():
        yield from _leaves(value, f"{path}.{name}".lstrip("."))


def _said(value: object) -> object:
    """The value without the fields that are as they would be unsaid."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {field.name: (getattr(value, field.name), _unsaid(field)) for field in dataclasses.fields(value)}
        return {name: _said(said) for name, (said, unsaid) in found.items() if said != unsaid}
    if isinstance(value, Mapping):
        return {name: _said(said) for name, said in cast(Mapping[str, object], value).items()}
    if isinstance(value, tuple | list):
        return [_said(each) for each in cast(Sequence[object], value)]
    return value


def _unsaid(field: "dataclasses.Field[Any]") -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()
