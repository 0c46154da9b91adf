"""Secrets that backups need: where databases are, and the key that seals. `settings` reads the environment."""

import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.domain.notification import SecretReference
from shopkart_pipeline.given_secret import read_reference, referred
from shopkart_pipeline.kept_secret import keep_secret
from shopkart_pipeline.known_secrets import know, passwords_of

_DATABASE = "SHOPKART_DATABASE_"
_KEY = "SHOPKART_BACKUP_KEY"
_KEY_BYTES = 32
_KEY_FIX = "Make one with `openssl rand -base64 32`, and keep it where the backups are not."


@dataclass(frozen=True)
class BackupSettings:
    """What the environment says about backups."""

    addresses: Mapping[str, str | SecretReference] = field(default_factory=dict[str, str | SecretReference], repr=False)
    """Address, or where it is kept, by name of the database in capitals, with `_` for `-`."""
    key_reference: SecretReference | None = None
    """None: a key is made, and kept in the home."""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "BackupSettings":
        """Raises `PipelineError` for what says two things."""
        found: dict[str, str | SecretReference] = {}
        names = {re.sub("_(FILE|SECRET)$", "", each) for each in given if each.startswith(_DATABASE)}
        for variable in sorted(names - {_DATABASE}):
            reference = referred(given, variable)
            if reference is not None:
                plain = given[variable].strip() if reference.variable else reference
                found[variable.removeprefix(_DATABASE)] = plain
                know(*([plain, *passwords_of(plain)] if isinstance(plain, str) else []))
        return cls(found, referred({**given, _KEY: ""}, _KEY))

    def key(self, home: Path) -> bytes:
        """The key that is given, else the one that is made at random and kept in the home (mode 0600).

        Raises `PipelineError` where it can't be read.
        """
        path = home / "secrets" / "backup-key"
        where = self.key_reference or SecretReference(file=path)
        if self.key_reference is None:
            keep_secret(path, lambda: base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode())
        try:
            key = base64.b64decode(read_reference(where, {}), validate=True)
        except ToolUnavailable as error:
            raise PipelineError(f"The backups' key can't be read: {error.what}", _KEY_FIX) from None
        except ValueError:
            raise PipelineError(f"The backups' key {where} is not written in base64.", _KEY_FIX) from None
        if len(key) != _KEY_BYTES:
            raise PipelineError(f"The backups' key {where} has {len(key)} bytes instead of {_KEY_BYTES}.", _KEY_FIX)
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
            address = read_reference(given, {})
        except ToolUnavailable:
            form = "FILE" if given.stored is None else "SECRET"
            raise PipelineError(f"What {_DATABASE}{key}_{form} names can't be read.", "Give access.") from None
        know(*passwords_of(address))
        return address
