"""Which version of a program is installed, told without starting it: for the key of results that may be reused."""

import os
from collections.abc import Mapping
from pathlib import Path


def identity_of(executable: str | None) -> Mapping[str, str] | None:
    """A program by its real path, size and time of change: all of them stay as they are until it is installed again.

    Raises:
        OSError: it can't be looked at.
    """
    if executable is None:
        return None
    path = os.path.realpath(executable)
    status = os.stat(path)
    return {Path(executable).name: f"{path} {status.st_size} {status.st_mtime_ns}"}
