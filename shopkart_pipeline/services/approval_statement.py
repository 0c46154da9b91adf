"""What a person agrees to: one release, image, configuration and evidence, for one environment and a time."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.errors import UntrustedInput

_WITHOUT_CONFIGURATION = "shopkart approval, version 1"


@dataclass(frozen=True)
class Statement:
    """What a person agrees to."""

    service: str
    release_key: str
    environment: str
    digest: str
    evidence: str
    expires_at: str
    kind: str = "shopkart approval, version 2"
    configuration: str | None = None
    """Digest of the configuration; None in statements of version 1, which are about the image alone."""

    def to_bytes(self) -> bytes:
        """The bytes that are signed."""
        said = asdict(self)
        return canonical_json({name: said[name] for name in said if said[name] is not None})

    @property
    def is_about_image_alone(self) -> bool:
        """Whether it is from before configurations were approved. It counts where it is recorded already."""
        return self.kind == _WITHOUT_CONFIGURATION and self.configuration is None

    @property
    def expiry(self) -> datetime:
        """When it ends, as it says itself. Raises `UntrustedInput` where it says no such thing."""
        try:
            expires = datetime.fromisoformat(self.expires_at)
        except (TypeError, ValueError) as error:
            raise UntrustedInput("The approval does not say when it ends.", "Approve again.") from error
        if expires.tzinfo is None:
            raise UntrustedInput("The approval ends at a time without zone.", "Approve again.")
        return expires


def read_statement(text: str) -> Statement:
    """A statement that was recorded. Raises `UntrustedInput` for what is none."""
    try:
        return Statement(**json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        raise UntrustedInput("The approval can't be read.", "Approve again.") from error
