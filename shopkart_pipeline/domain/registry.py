"""Where images are kept, as the declaration says. Which adapter serves it is for `wiring` to choose."""

from dataclasses import dataclass
from enum import StrEnum


class RegistryKind(StrEnum):
    """What the registry speaks."""

    DISK = "disk"
    """A folder in the pipeline's home."""
    OCI = "oci"
    """Any server that speaks the OCI distribution protocol."""
    ECR = "ecr"
    """Amazon Elastic Container Registry."""


class RegistryScanning(StrEnum):
    """What the registry's own scan of an image is for."""

    REQUIRED = "required"
    """Without its result the image counts as not published."""
    SHOWN = "shown"
    """Its result is shown and judged where there is one."""
    OFF = "off"
    """It is not asked for."""


@dataclass(frozen=True)
class Registry:
    """One registry, complete with defaults. Credentials are no part of it."""

    kind: RegistryKind = RegistryKind.DISK
    address: str = ""
    """`oci`: the server, `https://` or on this machine `http://`, without a path."""
    region: str | None = None
    """`ecr`: the AWS region."""
    account: str | None = None
    """`ecr`: whose registry it is; None: that of the credentials."""
    endpoint: str | None = None
    """`ecr`: address of the API where it isn't AWS's own."""
    prefix: str = ""
    """What names of repositories begin with; ends with `/` unless it is empty."""
    scanning: RegistryScanning = RegistryScanning.OFF
    scanning_reason: str = "a registry on disk does not scan"
    """Why `scanning` is off."""
