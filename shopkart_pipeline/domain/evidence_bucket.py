"""Where raw reports and signed statements are kept beside this machine, so that nobody who holds it can change them."""

from dataclasses import dataclass
from enum import StrEnum


class ObjectLockMode(StrEnum):
    """Who may take a locked object away before its time, as S3 calls it."""

    COMPLIANCE = "COMPLIANCE"
    """Nobody, the account's root included."""
    GOVERNANCE = "GOVERNANCE"
    """Who has the right `s3:BypassGovernanceRetention`."""


@dataclass(frozen=True)
class EvidenceBucket:
    """A bucket of S3, or of what speaks its API, with versions and object lock. Credentials are no part of it."""

    bucket: str
    region: str | None
    prefix: str = ""
    """What the names of objects begin with; ends with `/` unless it is empty."""
    endpoint: str | None = None
    """Address of the API where it isn't AWS's own."""
    lock: ObjectLockMode = ObjectLockMode.COMPLIANCE
    retention_days: int = 400
    """How long an object is locked, from when it was last kept. PCI DSS 10.5.1 asks for twelve months."""
