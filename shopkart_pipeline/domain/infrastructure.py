"""How infrastructure that runs differs from what is declared for it, resource by resource."""

from dataclasses import dataclass
from enum import StrEnum

from shopkart_pipeline.domain.plain_text import plain


class Difference(StrEnum):
    """What differs."""

    CHANGED_BY_HAND = "changed by hand"
    """It is not what was put there last."""
    NOT_APPLIED = "not as declared"
    """Applying the declaration would change it."""


@dataclass(frozen=True)
class DriftedResource:
    """A resource, or an output, that is not as declared."""

    address: str
    """In Terraform's words, such as `module.rds.aws_db_instance.this`."""
    difference: Difference
    action: str
    """What happened to it, or what applying would do: `create`, `update`, `replace`, `delete` and the like."""

    def __post_init__(self) -> None:
        for name in ("address", "action"):
            object.__setattr__(self, name, plain(getattr(self, name)))


@dataclass(frozen=True)
class InfrastructureState:
    """What a comparison found."""

    tool: str
    """Who compared, with its version."""
    compared: int
    """How many resources were looked at where they run."""
    drifted: tuple[DriftedResource, ...]
