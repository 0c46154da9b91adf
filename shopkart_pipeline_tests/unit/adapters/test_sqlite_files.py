"""The pipeline's own stores are written out while they are written to, and come back as they were."""

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import pytest

from shopkart_pipeline.adapters import sqlite_files
from shopkart_pipeline.adapters.sqlite_files import RESTORES, SqliteFiles
from shopkart_pipeline.adapters.sqlite_ledger import SqliteLedger
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.ports.ledger import Act

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def act(number: int) -> Act:
    return Act(NOON, "maya", "promote", "backend", f"r{number}", "sha256:1", {"environment": "production"})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    ledger = SqliteLedger(home / "ledger.db")
    for number in range(3):
        ledger.append(act(number))
    for name in ("evidence/reports/ab/cdef", "incidents/one/incident.json", "secrets/webhook", "cache/big.db"):
        path = home / name
        path.parent.mkdir(parents=True)
        path.write_text(name)
    with closing(sqlite3.connect(home / "evidence" / "evidence.db")) as connection:
        connection.execute("CREATE TABLE notes (text)")
        connection.execute("INSERT INTO notes VALUES ('a')")
        connection.commit()
    return home


def dumped(stores: SqliteFiles) -> tuple[bytes, dict[str, int]]:
    pieces = list[bytes]()
    told = stores.dump(pieces.append)
    return b"".join(pieces), dict(told.contents.rows)


def test_every_store_comes_back_with_its_rows_and_files(home: Path, tmp_path: Path) -> None:
    stores = SqliteFiles(home, tmp_path / "scratch")
    content, rows = dumped(stores)

    with stores.restored([content[:5000], content[5000:]], "") as restored:
        folder = Path(restored.address)
        assert restored.contents == stores.dump(len).contents
        assert [entry.act.release_key for entry in SqliteLedger(folder / "ledger.db").entries()] == ["r0", "r1", "r2"]
        assert (folder / "incidents" / "one" / "incident.json").read_text() == "incidents/one/incident.json"
        assert not (folder / "secrets").exists()
        assert not (folder / "cache").exists()
    assert rows["evidence/evidence.db:notes"] == 1
    assert rows["evidence: files"] == rows["incidents: files"] == 1
    assert not folder.exists()


def test_what_is_still_in_the_write_ahead_log_is_written_out_too(home: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(home / "ledger.db")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        SqliteLedger(home / "ledger.db").append(act(3))

        _, rows = dumped(SqliteFiles(home, tmp_path / "scratch"))

    assert rows["ledger.db:entries"] == 4


@contextmanager
def written_all_the_time(path: Path) -> Generator[None]:
    over = Event()

    def write() -> None:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
            while not over.is_set():
                connection.execute("UPDATE steps SET number = number + 1")

    writer = Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


def test_a_store_that_is_written_to_all_the_time_is_copied_at_once(home: Path, tmp_path: Path) -> None:
    path = home / "busy.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE steps (number)")
        connection.execute("INSERT INTO steps VALUES (1)")
        connection.execute("CREATE TABLE bulk (content)")
        connection.execute("INSERT INTO bulk VALUES (zeroblob(30000000))")
    counted = list[tuple[bytes, dict[str, int]]]()

    with written_all_the_time(path):
        copier = Thread(target=lambda: counted.append(dumped(SqliteFiles(home, tmp_path / "scratch"))), daemon=True)
        copier.start()
        copier.join(15)
        assert not copier.is_alive(), "it begins again and again"

    assert counted[0][1]["busy.db:bulk"] == 1


def test_a_store_that_stays_locked_is_told(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_files, "_WAIT_SECONDS", 0.05)
    with closing(sqlite3.connect(home / "held.db", isolation_level=None)) as holder:
        holder.execute("CREATE TABLE one (x)")
        holder.execute("BEGIN EXCLUSIVE")

        with pytest.raises(ToolUnavailable, match=r"held\.db stays locked"):
            SqliteFiles(home, tmp_path / "scratch").dump(len)


def test_a_file_that_is_taken_away_meanwhile_is_left_out(home: Path, tmp_path: Path) -> None:
    (home / "evidence" / "reports" / "a").write_bytes(b"marked" * 10_000)
    gone = home / "evidence" / "reports" / "b"
    gone.write_text("b")
    pieces = list[bytes]()

    def take(piece: bytes) -> None:
        pieces.append(piece)
        if b"marked" in piece:
            gone.unlink(missing_ok=True)

    stores = SqliteFiles(home, tmp_path / "scratch")
    told = stores.dump(take)

    assert told.contents.rows["evidence: files"] == 2
    with stores.restored(pieces, "") as restored:
        assert restored.contents == told.contents


def test_logs_of_the_local_cluster_are_left_out(home: Path, tmp_path: Path) -> None:
    (home / "logs.db").write_bytes(b"not even a database")

    _, rows = dumped(SqliteFiles(home, tmp_path / "scratch"))

    assert not [name for name in rows if name.startswith("logs.db")]


def test_a_damaged_store_is_no_backup(home: Path, tmp_path: Path) -> None:
    path = home / "ledger.db"
    SqliteLedger(path).append(act(4))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\x00" * 4096
    path.write_bytes(content)

    with pytest.raises(ToolUnavailable, match=r"damaged|malformed|can't be read"):
        SqliteFiles(home, tmp_path / "scratch").dump(len)
    assert list((tmp_path / "scratch").glob("*/")) == []


def test_what_a_killed_one_left_is_gone_with_the_next(home: Path, tmp_path: Path) -> None:
    left = tmp_path / "scratch" / "left"
    left.mkdir(parents=True)
    (left / ".lock").touch()
    (left / "ledger.db").touch()

    SqliteFiles(home, tmp_path / "scratch").dump(len)

    assert list((tmp_path / "scratch").glob("*/")) == []


def test_a_home_without_stores_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(ToolUnavailable, match="holds no database"):
        SqliteFiles(tmp_path, tmp_path / "scratch").dump(len)


def test_a_stream_that_is_no_archive_is_told(home: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(ToolUnavailable, match="can't be read"),
        SqliteFiles(home, tmp_path / "scratch").restored([b"x" * 2000], ""),
    ):
        raise AssertionError("it must not come to that")


def test_everything_comes_back_into_an_empty_home(home: Path, tmp_path: Path) -> None:
    content, rows = dumped(SqliteFiles(home, tmp_path / "scratch"))
    fresh = tmp_path / "fresh"
    (fresh / "trust").mkdir(parents=True)
    (fresh / "trust" / "allowed_signers").write_text("who restores")
    SqliteLedger(fresh / RESTORES).append(act(9))

    SqliteFiles(fresh, fresh / "recovery").bring_back([content], "")

    assert dumped(SqliteFiles(fresh, fresh / "recovery"))[1] == {**rows, "trust: files": 1}
    assert [entry.act.release_key for entry in SqliteLedger(fresh / "ledger.db").entries()] == ["r0", "r1", "r2"]
    assert [entry.act.release_key for entry in SqliteLedger(fresh / RESTORES).entries()] == ["r9"]


def test_a_home_that_holds_something_is_left_as_it_is(home: Path, tmp_path: Path) -> None:
    content, _ = dumped(SqliteFiles(home, tmp_path / "scratch"))
    used = tmp_path / "used"
    SqliteLedger(used / "ledger.db").append(act(7))

    with pytest.raises(Refused, match=r"not empty: it has ledger\.db"):
        SqliteFiles(used, used / "recovery").bring_back([content], "")

    assert [entry.act.release_key for entry in SqliteLedger(used / "ledger.db").entries()] == ["r7"]
    assert not (used / "incidents").exists()


def test_a_damaged_backup_brings_nothing_back(home: Path, tmp_path: Path) -> None:
    content, _ = dumped(SqliteFiles(home, tmp_path / "scratch"))

    def damaged() -> Generator[bytes]:
        yield content
        raise ToolUnavailable("Its end is damaged.", "")

    fresh = tmp_path / "fresh"
    with pytest.raises(ToolUnavailable, match="end is damaged"):
        SqliteFiles(fresh, fresh / "recovery").bring_back(damaged(), "")

    assert not list(fresh.rglob("*.db"))
