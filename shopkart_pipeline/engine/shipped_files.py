"""Where Dagster's configuration is: beside the package in a checkout, within it where it was installed from a wheel.

Knows nothing of Dagster and imports fast.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_file(name: str, package: Path = _PACKAGE) -> Path:
    """Such a file; the one within the package unless there is one beside it."""
    beside = package.parent / name
    return beside if beside.exists() else package / "data" / name
