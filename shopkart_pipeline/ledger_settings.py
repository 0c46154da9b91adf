"""Where the ledger is and where its heads are anchored, as the environment says. `settings` reads the environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.secret_settings import database_address

_BUCKET = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]+)(?:/(?P<prefix>[A-Za-z0-9/._-]*))?")


@dataclass(frozen=True)
class Bucket:
    """A bucket of S3."""

    name: str
    prefix: str
    """Empty, or with `/` at its end."""


@dataclass(frozen=True)
class LedgerSettings:
    """What the environment says about the ledger."""

    address: str = field(default="", repr=False)
    """Of a PostgreSQL database, with its password; empty: a file in the home."""
    anchor: Path | Bucket | None = None
    """None: heads are kept beside the ledger alone."""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "LedgerSettings":
        """Raises `PipelineError` for what can't be used."""
        address = database_address(given, "SHOPKART_LEDGER")
        return cls(address, read_anchor(given.get("SHOPKART_LEDGER_ANCHOR") or ""))


def read_anchor(said: str) -> Path | Bucket | None:
    """A folder, or `s3://BUCKET/PREFIX`; None for nothing. Raises `PipelineError` for what is neither."""
    said = said.strip()
    if not said:
        return None
    if not said.startswith("s3:"):
        return Path(said).absolute()
    found = _BUCKET.fullmatch(said)
    if found is None:
        raise PipelineError(f"The ledger's anchor {said!r} is no bucket.", "Use a folder, or s3://BUCKET/PREFIX.")
    prefix = (found["prefix"] or "").strip("/")
    return Bucket(found["bucket"], f"{prefix}/" if prefix else "")
