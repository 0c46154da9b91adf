"""How much of a tool's report is read: enough for every honest one, and not so much that one exhausts this process.

A report is refused where it is bigger than 64 MiB, holds more than 100,000 findings, is nested deeper than the parser
goes, or holds numbers that JSON does not know (NaN). What is refused is no evidence; it is never read in part.
"""

import os
import stat
from pathlib import Path
from typing import Annotated, TypeVar

from annotated_types import MaxLen
from pydantic import ValidationError
from pydantic_core import from_json

MAXIMUM_REPORT_BYTES = 64 * 1024 * 1024
MAXIMUM_FINDINGS = 100_000
TOO_BIG = f"wrote more than {MAXIMUM_REPORT_BYTES // (1024 * 1024)} MiB"

_T = TypeVar("_T")
Many = Annotated[list[_T], MaxLen(MAXIMUM_FINDINGS)]
"""A list of findings, or of what each may bring a finding."""


def read_report(file: Path) -> bytes:
    """The content of a report that a tool wrote.

    Raises:
        ValueError: there is no regular file, or it is too big.
        OSError: it can't be read.
    """
    # Whatever lies there, opening it must not block; what is read is what was looked at.
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ValueError("there is none") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("it is no regular file")
    with os.fdopen(descriptor, "rb") as stream:
        content = stream.read(MAXIMUM_REPORT_BYTES + 1)
    if len(content) > MAXIMUM_REPORT_BYTES:
        raise ValueError(f"it {TOO_BIG}")
    return content


def json_value(content: bytes) -> object:
    """The value of a JSON document.

    Raises:
        ValueError: it is not JSON, is nested too deeply, or holds a number that JSON does not know.
    """
    return from_json(content, allow_inf_nan=False)


def why(error: ValueError) -> str:
    """What is wrong with a report, without the input: that may be long, and may hold a secret."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place}: {first['msg']}"[:300] if place else first["msg"][:300]
    return str(error).partition("\n")[0][:300]
