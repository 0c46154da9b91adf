"""Write what a backup holds to a file: unsealed, compared with its manifest, and there whole or not at all."""

import os
import tempfile
from pathlib import Path

from shopkart_pipeline.domain.backup import Manifest
from shopkart_pipeline.domain.errors import NotFound, Refused, ToolUnavailable
from shopkart_pipeline.services.back_up import backups_of
from shopkart_pipeline.services.platform import Platform


def extract_backup(platform: Platform, name: str, output: Path) -> Manifest:
    """Write a backup to a file (mode 0600), and return its manifest.

    Args:
        platform: the ports.
        name: `DATABASE/ID`, or `DATABASE` for its newest.
        output: where to; must not exist.

    Raises:
        NotFound: there is no such backup.
        Refused: the file exists.
        ToolUnavailable: the backup is damaged, or the file can't be written.
    """
    store, chosen = backups_of(platform).store, find_backup(platform, name)
    if output.exists():
        raise Refused(f"{output} exists.", "Name a file that does not.")
    try:
        descriptor, temporary = tempfile.mkstemp(dir=output.absolute().parent, prefix=f".{output.name}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                for piece in store.read(chosen):
                    stream.write(piece)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(output)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ToolUnavailable(f"{output} can't be written: {error.strerror}.", "Look at the disk.") from error
    return chosen


def find_backup(platform: Platform, name: str) -> Manifest:
    """The manifest of `DATABASE/ID`, or of the newest backup of `DATABASE`. Raises `NotFound`."""
    database, _, identity = name.partition("/")
    found, unreadable = backups_of(platform).store.backups(database)
    chosen = next((each.manifest for each in found if identity in ("", each.manifest.id)), None)
    if chosen is None:
        reason = next(
            (f" {each.name}: {each.reason}." for each in reversed(unreadable) if name in (each.name, database)), ""
        )
        raise NotFound(f"There is no backup {name!r} that can be used.{reason}", "See `shopkart backups`.")
    return chosen
