"""YAML of somebody else's is looked at before it is read: how deep it is nested, and whether it uses aliases.

Deep nesting takes libyaml the square of its depth and a reader's stack besides, and a few aliases can stand for more
than fits into memory. The events of a parser tell both, and the first one too many ends the look.
"""

from collections.abc import Iterator
from typing import Any

import yaml

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The quickest loader that makes nothing but plain values."""
_YAML: Any = yaml


def check_shape(content: str | bytes, deepest: int, *, aliases: bool = True) -> None:
    """Refuse what would cost more than its size to read.

    Args:
        content: a YAML stream.
        deepest: how many collections may be inside one another.
        aliases: whether it may use any; who reads it then counts what they stand for.

    Raises:
        ValueError: it is nested deeper, or uses an alias where it may not.
        yaml.YAMLError: it is no YAML.
    """
    depth = 0
    events: Iterator[yaml.Event] = _YAML.parse(content, LOADER)
    for event in events:
        if isinstance(event, yaml.AliasEvent) and not aliases:
            raise ValueError("it uses an alias")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > deepest:
            raise ValueError(f"it is nested too deeply, more than {deepest} levels")
