"""Domain data as documents in a store, and how they are read again.

They become JSON through pydantic's type adapters, so a record that is read back is checked field by field. What could
not be read back is not written: a number that is none raises `ValueError`, and half of a surrogate pair (a file name
that is not UTF-8) becomes a question mark.
"""

import json
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

_T = TypeVar("_T")


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def document_of(value: object) -> str:
    """The document. Raises `ValueError` for a number that JSON doesn't have."""
    plain = _adapter(type(value)).dump_python(value, mode="json")
    return json.dumps(plain, allow_nan=False, ensure_ascii=False).encode(errors="replace").decode()


def read_document(kind: type[_T], document: str) -> _T:
    """What a document says. Raises pydantic's `ValidationError` for one that says something else."""
    value: _T = _adapter(kind).validate_json(document)
    return value
