"""What every store of backups owes its callers: one suite over a folder and over S3's API, and what each does alone."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ResponseStreamingError

from shopkart_pipeline.adapters._backup_blobs import Blobs
from shopkart_pipeline.adapters.disk_backups import DiskBackups
from shopkart_pipeline.adapters.s3_backups import S3Backups
from shopkart_pipeline.adapters.sealed_backups import SealedBackups
from shopkart_pipeline.backup_wiring import build_backups
from shopkart_pipeline.domain.backup import BackedUp, BackupPlace, Contents, Dumped, Manifest, Recovery
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable
from shopkart_pipeline.ports.backups import Sink
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline_tests.contract.aws_servers import installed, running_moto
from shopkart_pipeline_tests.contract.ecr_worlds import client_of

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
SHOP, KEY = BackedUp("shop", "production"), bytes(range(32))
CONTENT = os.urandom(200_000)
DUMPED = Dumped(Contents({"public.orders": 7}, "sha256:5", "PostgreSQL 16.4"), "pg_dump 16.4")
PLACES = ["disk", *(["s3"] if installed("moto") else [])]


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with running_moto(tmp_path_factory.mktemp("moto")) as address:
        yield client_of(address, "s3")


@pytest.fixture(params=PLACES)
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "disk":
        return DiskBackups(tmp_path / "backups")
    client, bucket = request.getfixturevalue("s3"), f"b{uuid4().hex}"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return S3Backups(lambda: client, bucket, "nightly/", tmp_path / "scratch")


@pytest.fixture
def store(blobs: Blobs) -> SealedBackups:
    return SealedBackups(blobs, lambda: KEY)


def dump(sink: Sink) -> Dumped:
    for start in range(0, len(CONTENT), 70_000):
        sink(CONTENT[start : start + 70_000])
    return DUMPED


def broken(sink: Sink) -> Dumped:
    sink(CONTENT)
    raise ToolUnavailable("The server went away.", "")


def reasons(store: SealedBackups) -> list[str]:
    return [each.reason for each in store.backups("shop")[1]]


def found(store: SealedBackups) -> list[Manifest]:
    return [each.manifest for each in store.backups("shop")[0]]


def test_a_new_store_holds_nothing(store: SealedBackups) -> None:
    assert store.backups("shop") == ((), ())
    assert store.sweep(NOON) == 0


def test_what_was_written_comes_back_and_is_told_newest_first(store: SealedBackups) -> None:
    first = store.write(SHOP, NOON, dump)
    second = store.write(SHOP, NOON + timedelta(days=1), dump)
    other = store.write(BackedUp("other"), NOON, dump)

    assert found(store) == [second, first]
    assert first.contents == DUMPED.contents
    assert [each.manifest for each in store.backups("other")[0]] == [other]
    assert b"".join(store.read(first)) == CONTENT


def test_what_is_kept_shows_nothing_of_the_content(store: SealedBackups, blobs: Blobs) -> None:
    manifest = store.write(SHOP, NOON, dump)

    kept = blobs.get(f"{manifest.name}/data")
    assert CONTENT[1000:1020] not in kept
    assert manifest.size_bytes == len(kept)


def test_a_dump_that_fails_leaves_nothing(store: SealedBackups, blobs: Blobs) -> None:
    with pytest.raises(ToolUnavailable, match="went away"):
        store.write(SHOP, NOON, broken)

    assert store.backups("shop") == ((), ())
    assert blobs.names("") == ()


def test_data_without_a_manifest_are_no_backup_and_go_after_a_while(store: SealedBackups, blobs: Blobs) -> None:
    manifest = store.write(SHOP, NOON, dump)
    blobs.remove(f"{manifest.name}/manifest.json")

    assert store.backups("shop") == ((), ())
    assert store.sweep(NOON) == 0
    assert store.sweep(NOON + timedelta(seconds=1)) == 1
    assert blobs.names("") == ()


def test_a_sweep_leaves_backups_and_what_is_not_ours_alone(store: SealedBackups, blobs: Blobs) -> None:
    manifest = store.write(SHOP, NOON, dump)
    blobs.put("shop/notes.txt", b"somebody's")

    assert store.sweep(NOON + timedelta(days=9)) == 0
    assert found(store) == [manifest]


def test_a_backup_that_was_verified_says_so(store: SealedBackups) -> None:
    manifest = store.write(SHOP, NOON, dump)
    store.verified(manifest, NOON + timedelta(hours=1))

    [backup] = store.backups("shop")[0]
    assert backup.verified_at == NOON + timedelta(hours=1)


def test_a_mark_that_somebody_else_wrote_verifies_nothing(store: SealedBackups, blobs: Blobs) -> None:
    manifest = store.write(SHOP, NOON, dump)
    blobs.put(f"{manifest.name}/verified.json", b'{"at": "2026-11-27T12:00:00Z", "signature": "00"}')

    [backup] = store.backups("shop")[0]
    assert backup.verified_at is None


def test_a_removed_backup_is_gone_and_removing_it_twice_is_no_error(store: SealedBackups, blobs: Blobs) -> None:
    manifest = store.write(SHOP, NOON, dump)
    store.verified(manifest, NOON)

    store.remove(manifest)
    store.remove(manifest)

    assert store.backups("shop") == ((), ())
    assert blobs.names("") == ()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace(b'"public.orders": 7', b'"public.orders": 6'), "its manifest was changed"),
        (lambda text: text[:50], "its manifest can't be read"),
        (lambda text: b"", "its manifest can't be read"),
    ],
)
def test_a_changed_manifest_is_told_and_no_backup(
    store: SealedBackups, blobs: Blobs, change: Callable[[bytes], bytes], reason: str
) -> None:
    manifest = store.write(SHOP, NOON, dump)
    name = f"{manifest.name}/manifest.json"
    changed = change(blobs.get(name).replace(b'"public.orders":7', b'"public.orders": 7'))
    blobs.put(name, changed)

    assert found(store) == []
    assert reasons(store) == [reason]


def test_missing_data_are_told(store: SealedBackups, blobs: Blobs) -> None:
    manifest = store.write(SHOP, NOON, dump)
    blobs.remove(f"{manifest.name}/data")

    assert reasons(store) == ["its data are missing"]
    with pytest.raises(NotFound, match="is missing"):
        list(store.read(manifest))


@pytest.mark.parametrize("place", [5, 30, 55, 100, 100_000, -1])
def test_changed_data_are_found_when_they_are_read(store: SealedBackups, blobs: Blobs, place: int) -> None:
    manifest = store.write(SHOP, NOON, dump)
    content = bytearray(blobs.get(f"{manifest.name}/data"))
    content[place] ^= 1
    blobs.put(f"{manifest.name}/data", bytes(content))

    with pytest.raises(ToolUnavailable, match=r"damaged|sealed"):
        list(store.read(manifest))


def test_another_backup_in_its_place_is_found(store: SealedBackups, blobs: Blobs) -> None:
    first, second = store.write(SHOP, NOON, dump), store.write(SHOP, NOON + timedelta(days=1), dump)
    for part in ("data", "manifest.json"):
        blobs.put(f"{second.name}/{part}", blobs.get(f"{first.name}/{part}"))

    assert found(store) == [first]
    assert reasons(store) == ["its manifest was changed"]


def test_what_another_key_sealed_is_told_as_that(store: SealedBackups, blobs: Blobs) -> None:
    store.write(SHOP, NOON, dump)

    [reason] = reasons(SealedBackups(blobs, lambda: bytes(32)))
    assert reason.startswith("it is sealed with key ")


@pytest.mark.parametrize("place", PLACES[1:])
def test_parts_that_never_became_an_object_are_swept(place: str, s3: Any, tmp_path: Path) -> None:
    assert place == "s3"
    s3.create_bucket(Bucket="parts", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.create_multipart_upload(Bucket="parts", Key="nightly/shop/1/data")
    blobs = S3Backups(lambda: s3, "parts", "nightly/", tmp_path)

    assert blobs.sweep(datetime(2000, 1, 1, tzinfo=UTC)) == 0
    assert blobs.sweep(datetime(2100, 1, 1, tzinfo=UTC)) == 1
    assert blobs.names("") == ()


class _Breaking:
    """A client whose connection breaks after a piece, so many times."""

    def __init__(self, client: Any, times: int) -> None:
        self._client = client
        self.times = times
        self.ranges = list[str]()

    def get_object(self, **wanted: str) -> Any:
        self.ranges.append(wanted.get("Range", ""))
        self._content: bytes = self._client.get_object(**wanted)["Body"].read()
        return {"Body": self}

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        del size
        if self.times:
            self.times -= 1
            yield self._content[:50_000]
            raise ResponseStreamingError(error="connection reset")
        yield self._content


@pytest.mark.parametrize("place", PLACES[1:])
def test_reading_goes_on_where_the_connection_broke(place: str, s3: Any, tmp_path: Path) -> None:
    assert place == "s3"
    s3.create_bucket(Bucket="broken", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    manifest = SealedBackups(S3Backups(lambda: s3, "broken", "", tmp_path), lambda: KEY).write(SHOP, NOON, dump)
    breaking = _Breaking(s3, 2)
    store = SealedBackups(S3Backups(lambda: breaking, "broken", "", tmp_path), lambda: KEY)

    assert b"".join(store.read(manifest)) == CONTENT
    assert breaking.ranges == ["", "bytes=50000-", "bytes=100000-"]


@pytest.mark.parametrize("place", PLACES[1:])
def test_a_bucket_that_is_not_there_is_told(place: str, s3: Any, tmp_path: Path) -> None:
    assert place == "s3"
    store = SealedBackups(S3Backups(lambda: s3, "nowhere", "", tmp_path), lambda: KEY)

    with pytest.raises(ToolUnavailable, match="NoSuchBucket"):
        store.write(SHOP, NOON, dump)


def test_on_disk_only_the_owner_reads_and_unfinished_files_are_swept(tmp_path: Path) -> None:
    root = tmp_path / "backups"
    store = SealedBackups(DiskBackups(root), lambda: KEY)
    manifest = store.write(SHOP, NOON, dump)
    left = root / "shop" / ".unfinished-abc"
    left.write_bytes(b"half")

    assert {path.stat().st_mode & 0o777 for path in (root / manifest.name).iterdir()} == {0o600}
    assert found(store) == [manifest]
    assert store.sweep(datetime(2100, 1, 1, tzinfo=UTC)) == 1
    assert not left.exists()


_KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from shopkart_pipeline.adapters.disk_backups import DiskBackups
from shopkart_pipeline.adapters.sealed_backups import SealedBackups
from shopkart_pipeline.domain.backup import BackedUp
def dump(sink):
    sink(os.urandom(3 << 20))
    os.kill(os.getpid(), signal.SIGKILL)
SealedBackups(DiskBackups(Path(sys.argv[1])), lambda: bytes(range(32))).write(BackedUp("shop"), datetime.now(UTC), dump)
"""


def test_a_process_that_is_killed_leaves_no_backup_and_what_it_left_is_swept(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=False)

    assert ended.returncode == -signal.SIGKILL
    store = SealedBackups(DiskBackups(tmp_path), lambda: KEY)
    assert store.backups("shop") == ((), ())
    assert store.sweep(datetime(2100, 1, 1, tzinfo=UTC)) == 1


def test_a_folder_that_can_not_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = SealedBackups(DiskBackups(tmp_path / "file"), lambda: KEY)

    with pytest.raises(ToolUnavailable, match="can't be used"):
        store.write(SHOP, NOON, dump)


def test_a_declared_folder_that_is_not_there_is_a_disk_that_is_not_mounted(tmp_path: Path) -> None:
    place = BackupPlace(folder=tmp_path / "disk" / "shop")
    store = build_backups(from_environment({"SHOPKART_HOME": str(tmp_path / "home")}), Recovery(place)).store

    with pytest.raises(ToolUnavailable, match="is not there"):
        store.write(SHOP, NOON, dump)
    with pytest.raises(ToolUnavailable, match="is not there"):
        store.backups("shop")
    assert not (tmp_path / "disk").exists()


def test_a_backup_may_be_moved_to_another_folder_as_it_is(tmp_path: Path) -> None:
    root = tmp_path / "here"
    manifest = SealedBackups(DiskBackups(root), lambda: KEY).write(SHOP, NOON, dump)
    shutil.move(root, tmp_path / "there")

    assert b"".join(SealedBackups(DiskBackups(tmp_path / "there"), lambda: KEY).read(manifest)) == CONTENT
