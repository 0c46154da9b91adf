"""What every declaration begins with, and how a declaration is laid over it.

Mappings merge key by key; lists and plain values replace what was there. A key without a value counts as not written.
The order is: what is shipped, then `defaults`, then the service.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.yaml_document import Value, parse_document

SHIPPED_FILE = Path(__file__).with_name("shipped.yaml")

Layer = Mapping[str, Value]


@cache
def shipped() -> Layer:
    """The content of `shipped.yaml`; must not be changed."""
    return parse_document(SHIPPED_FILE.read_text(encoding="utf-8"), Faults(SHIPPED_FILE.name)).value


def section(layer: Layer, *keys: str) -> Layer:
    """The mapping under some keys; empty where there is none."""
    found: Value = dict(layer)
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def merge(base: Layer, over: Layer) -> dict[str, Value]:
    """`over` laid over `base`. The result shares what it did not have to merge: treat it as frozen."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if value is None:
            merged.setdefault(key, None)
        elif isinstance(value, dict) and isinstance(below, dict):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged
