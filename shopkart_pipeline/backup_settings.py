"""Secrets that backups need: where databases are, and the key that seals. `settings` reads the environment."""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.kept_secret import keep_secret

_DATABASE = "SHOPKART_DATABASE_"
_KEY_BYTES = 32
_KEY_FIX = "Make one with `openssl rand -base64 32`, and keep it where the backups are not."


@dataclass(frozen=True)
class BackupSettings:
    """What the environment says about backups."""

    addresses: Mapping[str, str | Path] = field(default_factory=dict[str, str | Path], repr=False)
    """Address, or a file that holds it, by name of the database in capitals, with `_` for `-`."""
    key_file: Path | None = None
    """None: a key is made, and kept in the home."""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "BackupSettings":
        """Raises `PipelineError` for what says two things."""
        found: dict[str, str | Path] = {}
        for variable, value in given.items():
            name = variable.removeprefix(_DATABASE)
            if name == variable or not value.strip():
                continue
            is_file, name = name.endswith("_FILE"), name.removesuffix("_FILE")
            if name in found:
                both = f"{_DATABASE}{name}"
                raise PipelineError(f"Both {both} and {both}_FILE are given.", "Take one of them away.")
            found[name] = Path(value).absolute() if is_file else value.strip()
        key = given.get("SHOPKART_BACKUP_KEY_FILE")
        return cls(found, Path(key).absolute() if key else None)

    def key(self, home: Path) -> bytes:
        """The key that is given, else the one that is made at random and kept in the home (mode 0600).

        Raises `PipelineError` where it can't be read.
        """
        path = self.key_file
        if path is None:
            path = home / "secrets" / "backup-key"
            keep_secret(path, lambda: base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode())
        try:
            key = base64.b64decode(path.read_bytes().strip(), validate=True)
        except OSError as error:
            raise PipelineError(f"The backups' key {path} can't be read: {error.strerror}.", _KEY_FIX) from None
        except ValueError:
            raise PipelineError(f"The backups' key {path} is not written in base64.", _KEY_FIX) from None
        if len(key) != _KEY_BYTES:
            raise PipelineError(f"The backups' key {path} has {len(key)} bytes instead of {_KEY_BYTES}.", _KEY_FIX)
        return key

    def address(self, name: str) -> str:
        """Where a database is, with its password. Raises `PipelineError` where that is not said."""
        key = name.upper().replace("-", "_")
        given = self.addresses.get(key)
        if given is None:
            raise PipelineError(
                f"Where database {name} is, is not known.",
                f"Set {_DATABASE}{key}, or declare its `environment` where that is on the embedded platform.",
            )
        if isinstance(given, str):
            return given
        try:
            return given.read_text().strip()
        except (OSError, ValueError):
            raise PipelineError(f"The file that {_DATABASE}{key}_FILE names can't be read.", "Give access.") from None
