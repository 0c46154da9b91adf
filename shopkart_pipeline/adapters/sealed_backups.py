"""Backups that are sealed before they leave this process, with a signed manifest that is written last.

A backup is three names: `DATABASE/ID/data`, `manifest.json`, and, once a drill has restored it, `verified.json`. One
without a manifest is none: it is told nowhere, and swept after a while. What is read is compared with the manifest's
digest as well, so what was changed is found whoever changed it.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from shopkart_pipeline.adapters._backup_blobs import Blobs
from shopkart_pipeline.adapters._sealed import Damaged, Sealer, key_id, opened, signature
from shopkart_pipeline.domain.backup import BackedUp, Backup, Dumped, Manifest, Unreadable
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.ports.backups import BackupStore, Sink

_MANIFEST = TypeAdapter(Manifest)
_TIME = "%Y%m%dT%H%M%SZ"


class _Document(BaseModel):
    manifest: Manifest
    signature: str


class _Verified(BaseModel):
    at: AwareDatetime
    signature: str


class SealedBackups(BackupStore):
    """Over any storage.

    Args:
        blobs: the storage.
        key: gives the key of 32 bytes.
    """

    def __init__(self, blobs: Blobs, key: Callable[[], bytes]) -> None:
        self._blobs = blobs
        self._key = key

    def write(self, database: BackedUp, now: datetime, dump: Callable[[Sink], Dumped]) -> Manifest:
        key, began = self._key(), time.monotonic()
        identity = f"{now.astimezone(UTC):{_TIME}}-{secrets.token_hex(2)}"
        name = f"{database.name}/{identity}"
        sealer = Sealer(key, name)
        with self._blobs.writing(f"{name}/data") as write:
            counted = _Counted(write)
            dumped = dump(lambda piece: counted.write(sealer.seal(piece)))
            counted.write(sealer.end())
        manifest = Manifest(
            database=database.name,
            id=identity,
            engine=database.engine,
            taken_at=now,
            contents=dumped.contents,
            tool=dumped.tool,
            size_bytes=counted.size_bytes,
            digest=counted.digest,
            key_id=key_id(key),
            seconds=round(time.monotonic() - began, 3),
        )
        document = _Document(manifest=manifest, signature=_signed(key, manifest))
        self._blobs.put(f"{name}/manifest.json", document.model_dump_json(indent=1).encode())
        return manifest

    def backups(self, database: str) -> tuple[tuple[Backup, ...], tuple[Unreadable, ...]]:
        names, found, broken = set(self._blobs.names(database)), list[Backup](), list[Unreadable]()
        for name in sorted(each.removesuffix("/manifest.json") for each in names if each.endswith("/manifest.json")):
            read = self._read(name, names)
            if isinstance(read, Unreadable):
                broken.append(read)
            else:
                found.append(read)
        return tuple(sorted(found, key=lambda each: each.manifest.id, reverse=True)), tuple(broken)

    def _read(self, name: str, names: set[str]) -> Backup | Unreadable:
        key = self._key()
        try:
            document = _Document.model_validate_json(self._blobs.get(f"{name}/manifest.json"))
        except ValidationError:
            return Unreadable(name, "its manifest can't be read")
        except NotFound:
            return Unreadable(name, "its manifest went away meanwhile")
        manifest = document.manifest
        if manifest.key_id != key_id(key):
            return Unreadable(
                name,
                f"it is sealed with key {manifest.key_id}; the one here (SHOPKART_BACKUP_KEY_FILE) is {key_id(key)}",
            )
        if not secrets.compare_digest(document.signature, _signed(key, manifest)) or manifest.name != name:
            return Unreadable(name, "its manifest was changed")
        if f"{name}/data" not in names:
            return Unreadable(name, "its data are missing")
        return Backup(manifest, self._verified_at(manifest) if f"{name}/verified.json" in names else None)

    def _verified_at(self, manifest: Manifest) -> datetime | None:
        try:
            verified = _Verified.model_validate_json(self._blobs.get(f"{manifest.name}/verified.json"))
        except (ValidationError, NotFound):
            return None
        wanted = _mark(self._key(), manifest, verified.at)
        return verified.at if secrets.compare_digest(verified.signature, wanted) else None

    def read(self, manifest: Manifest) -> Iterator[bytes]:
        counted = _Counted()
        yield from opened(self._key(), manifest.name, counted.through(self._blobs.reading(f"{manifest.name}/data")))
        if counted.digest != manifest.digest:
            raise Damaged(f"{manifest.name} is not what its manifest names: {counted.digest}, not {manifest.digest}.")

    def verified(self, manifest: Manifest, at: datetime) -> None:
        mark = _Verified(at=at, signature=_mark(self._key(), manifest, at))
        self._blobs.put(f"{manifest.name}/verified.json", mark.model_dump_json().encode())

    def remove(self, manifest: Manifest) -> None:
        for part in ("manifest.json", "verified.json", "data"):
            self._blobs.remove(f"{manifest.name}/{part}")

    def sweep(self, before: datetime) -> int:
        names = set(self._blobs.names(""))
        whole = {name.removesuffix("/manifest.json") for name in names if name.endswith("/manifest.json")}
        orphans = [
            name
            for name in names
            if name.rpartition("/")[0] not in whole and (begun := _begun(name)) is not None and begun < before
        ]
        for name in orphans:
            self._blobs.remove(name)
        return len(orphans) + self._blobs.sweep(before)


class _Counted:
    """Bytes on their way, counted and summed."""

    def __init__(self, sink: Sink = len) -> None:
        self.size_bytes = 0
        self._sink = sink
        self._sum = hashlib.sha256()

    def write(self, content: bytes) -> None:
        self.size_bytes += len(content)
        self._sum.update(content)
        self._sink(content)

    def through(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.write(piece)
            yield piece

    @property
    def digest(self) -> str:
        return f"sha256:{self._sum.hexdigest()}"


def _signed(key: bytes, manifest: Manifest) -> str:
    return signature(key, _MANIFEST.dump_json(manifest))


def _mark(key: bytes, manifest: Manifest, at: datetime) -> str:
    return signature(key, f"verified {manifest.name} {manifest.digest} {at.isoformat()}".encode())


def _begun(name: str) -> datetime | None:
    """When the backup was begun that a name is part of; None for what is none of ours."""
    try:
        return datetime.strptime(name.split("/")[-2].partition("-")[0], _TIME).replace(tzinfo=UTC)
    except (ValueError, IndexError):
        return None
