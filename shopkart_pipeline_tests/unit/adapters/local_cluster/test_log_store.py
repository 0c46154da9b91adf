"""The local log store: nothing is lost or doubled by cuts, kills or retention, and a store that fails says so."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.local_cluster import log_index, log_pieces
from shopkart_pipeline.adapters.local_cluster import logs as local_logs
from shopkart_pipeline.adapters.local_cluster.log_files import MOST_BYTES, rotate
from shopkart_pipeline.adapters.local_cluster.log_index import LogIndex
from shopkart_pipeline.adapters.local_cluster.log_pieces import new_pieces
from shopkart_pipeline.adapters.local_cluster.logs import LocalLogs
from shopkart_pipeline.ports.telemetry import LogsMissing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "cluster" / "logs" / "production" / "shop" / "stable-1.log"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


@pytest.fixture
def logs(tmp_path: Path) -> LocalLogs:
    return LocalLogs(tmp_path)


def _write(log: Path, *messages: str, level: str = "error", at: datetime = NOW, end: str = "\n") -> None:
    with log.open("a") as stream:
        for message in messages:
            stream.write(
                json.dumps({"time": at.isoformat(), "level": level, "message": message, "version": "v1"}) + end
            )


def _found(logs: LocalLogs, text: str = "", limit: int = 100) -> list[str]:
    lines = logs.search("production", "shop", NOW - HOUR, NOW + HOUR, text=text, limit=limit)
    assert not isinstance(lines, LogsMissing), lines
    return [line.message for line in lines]


def _errors(logs: LocalLogs) -> list[str]:
    lines = logs.errors("production", "shop", NOW - HOUR, NOW + HOUR, 100)
    assert not isinstance(lines, LogsMissing), lines
    return [line.message for line in lines]


def test_what_was_stored_is_there_when_its_file_is_gone(log: Path, logs: LocalLogs) -> None:
    _write(log, "a broken cart")
    _write(log, "a whole cart", level="info")
    assert logs.keep_up(NOW) == ()
    log.unlink()
    log.parent.rmdir()

    assert _found(logs, "cart") == ["a broken cart", "a whole cart"]
    assert _errors(logs) == ["a broken cart"]
    assert logs.keep_up(NOW) == ()


def test_a_line_is_read_when_it_has_ended(log: Path, logs: LocalLogs) -> None:
    _write(log, "whole")
    _write(log, "half", end="")
    logs.keep_up(NOW)
    assert _found(logs) == ["whole"]
    with log.open("a") as stream:
        stream.write("\n")

    assert _found(logs) == ["whole", "half"]
    logs.keep_up(NOW)
    assert _found(logs) == ["whole", "half"]


def test_an_exception_and_a_version_go_on_over_two_looks(log: Path, logs: LocalLogs) -> None:
    _write(log, "starts", level="info")
    with log.open("a") as stream:
        stream.write("Traceback (most recent call last):\n  File x\n")
    logs.keep_up(NOW)
    with log.open("a") as stream:
        stream.write("    main()\nKeyError: 'secret'\nplain words\n")

    lines = logs.search("production", "shop", NOW, NOW, limit=10)

    assert not isinstance(lines, LogsMissing)
    assert [(line.message, line.level, line.release_key) for line in lines] == [
        ("starts", "info", "v1"),
        ("uncaught exception KeyError", "error", "v1"),
        ("plain words", "", "v1"),
    ]


def test_a_log_that_was_cut_is_read_on_where_it_went(log: Path, logs: LocalLogs) -> None:
    _write(log, "one")
    logs.keep_up(NOW)
    _write(log, "two")
    with log.open("a") as stream:
        stream.write("x" * MOST_BYTES + "\n")
    rotate(log.parent)
    _write(log, "three")

    for _ in range(2):
        assert _errors(logs) == ["one", "two", "three"]
        assert logs.keep_up(NOW) == ()
    rotate(log.parent)
    _write(log, "four")
    assert _errors(logs) == ["one", "two", "three", "four"]


def test_lines_that_were_cut_away_before_anybody_read_them_are_told(log: Path, logs: LocalLogs) -> None:
    _write(log, "one")
    logs.keep_up(NOW)
    for content in ("two", "three"):
        log.write_text("")
        _write(log, content)

    assert logs.keep_up(NOW) == (
        "production/shop/stable-1: lines are lost, as the log was cut twice before they were indexed",
    )
    assert _errors(logs) == ["one", "three"]


def test_whoever_is_killed_while_storing_is_made_up_for(log: Path, logs: LocalLogs, tmp_path: Path) -> None:
    _write(log, *(f"line {number}" for number in range(3000)))
    program = (
        "import os, signal, sys\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        "from shopkart_pipeline.adapters.local_cluster import log_pieces, logs\n"
        "log_pieces.PIECE_BYTES = 20000\n"
        "store, left = logs.LogIndex.store, [3]\n"
        "def killed(*arguments):\n"
        "    left[0] -= 1\n"
        "    done = left[0] and store(*arguments)\n"
        "    return done or os.kill(os.getpid(), signal.SIGKILL)\n"
        "logs.LogIndex.store = killed\n"
        "logs.LocalLogs(Path(sys.argv[1])).keep_up(datetime(2026, 3, 1, 12, tzinfo=UTC))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL

    everything = [f"line {number}" for number in range(3000)]
    assert _found(logs, limit=5000) == everything
    logs.keep_up(NOW)
    assert _found(logs, limit=5000) == everything


def test_two_who_store_at_once_store_each_line_once(log: Path, logs: LocalLogs, tmp_path: Path) -> None:
    _write(log, "one")
    other = LocalLogs(tmp_path)
    [piece] = new_pieces(log, None)
    index = LogIndex(tmp_path / "logs.db")

    assert index.store("production/shop", "stable-1", piece.before, piece.after, piece.lines)
    assert not index.store("production/shop", "stable-1", piece.before, piece.after, piece.lines)
    assert _found(logs) == _found(other) == ["one"]


def test_old_lines_and_those_that_are_too_many_go(log: Path, tmp_path: Path) -> None:
    index = LogIndex(tmp_path / "logs.db", kept_for=timedelta(days=1), most_bytes=1_500_000)
    logs = LocalLogs(tmp_path, index)
    _write(log, "old", at=NOW - timedelta(days=2))
    for number in range(60):
        _write(
            log, *(f"line {number} {'words ' * 40}{each}" for each in range(100)), at=NOW + timedelta(seconds=number)
        )

    logs.keep_up(NOW)

    found = _found(logs, limit=10_000)
    assert 0 < len(found) < 6000
    assert found[-1].startswith("line 59")
    assert "old" not in found
    assert logs.keep_up(NOW) == ()
    assert _found(logs, limit=10_000) == found


@contextmanager
def _locked(path: Path) -> Generator[None]:
    with sqlite3.connect(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.rollback()
    connection.close()


def test_a_store_that_is_locked_is_told_and_what_it_lacks_is_read_from_the_files(
    log: Path, logs: LocalLogs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_index, "LOCK_SECONDS", 0.05)
    logs = LocalLogs(tmp_path)
    _write(log, "one")
    logs.keep_up(NOW)
    with _locked(tmp_path / "logs.db"):
        _write(log, "two")

        [problem] = logs.keep_up(NOW)

        assert "database is locked" in problem
        assert _found(logs) == ["one", "two"]
    assert logs.keep_up(NOW) == ()
    assert _found(logs) == ["one", "two"]


def test_a_disk_that_is_full_is_told_and_loses_nothing(log: Path, logs: LocalLogs, tmp_path: Path) -> None:
    _write(log, "one")
    logs.keep_up(NOW)
    _write(log, *(f"more {number} {'words ' * 300}" for number in range(500)))
    program = (
        "import resource, signal, sys\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        "from shopkart_pipeline.adapters.local_cluster.logs import LocalLogs\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "print(LocalLogs(Path(sys.argv[1])).keep_up(datetime(2026, 3, 1, 12, tzinfo=UTC)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60, capture_output=True)

    assert b"logs are not indexed: The database" in ended.stdout
    assert len(_found(logs, limit=1000)) == 501
    assert logs.keep_up(NOW) == ()
    assert len(_found(logs, limit=1000)) == 501


def test_a_store_that_is_damaged_is_missing_and_not_empty(log: Path, logs: LocalLogs, tmp_path: Path) -> None:
    _write(log, "one")
    (tmp_path / "logs.db").write_bytes(b"this is no database " * 100)

    for answer in (
        logs.errors("production", "shop", NOW - HOUR, NOW + HOUR, 10),
        logs.search("production", "shop", NOW - HOUR, NOW + HOUR, limit=10),
    ):
        assert isinstance(answer, LogsMissing)
        assert "not a database" in answer.reason
    [problem] = logs.keep_up(NOW)
    assert "not a database" in problem


def test_hostile_lines_do_no_harm(log: Path, logs: LocalLogs) -> None:
    with log.open("ab") as stream:
        stream.write(
            b'{"time": "2026-03-01T12:00:00Z", "level": "error", "message": "half \\ud800", "version": "\\udfff"}\n'
        )
        stream.write(b'{"time": "2026-03-01T12:00:00Z", "level": {}, "message": ["x", 1]}\n')
        stream.write(b"\xff\xfe nothing \0 here\n{" + b"[" * 100_000 + b"\n" + b"long " * 400_000 + b"\n")
        stream.write(b'{"time": "9999-12-31T23:59:59+00:00", "message": "never"}\n')

    before = _found(logs)
    assert logs.keep_up(NOW) == ()

    assert _found(logs) == before
    assert before[0] == "half ?"
    assert max(map(len, before)) <= 8192
    assert _found(logs, "NOTHING \0 HERE") == ["\ufffd\ufffd nothing \0 here"]


def test_looking_makes_no_store(log: Path, logs: LocalLogs, tmp_path: Path) -> None:
    _write(log, "one")
    assert _found(logs) == ["one"]
    assert sorted(os.listdir(tmp_path)) == ["cluster"]


def test_what_takes_too_long_goes_on_the_next_time(log: Path, logs: LocalLogs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_logs, "KEEP_UP_SECONDS", -1.0)
    monkeypatch.setattr(log_pieces, "PIECE_BYTES", 200)
    messages = [f"line {number}" for number in range(9)]
    _write(log, *messages)

    problems = [logs.keep_up(NOW) for _ in range(6)]

    assert "it goes on the next time" in problems[0][0]
    assert problems[-1] == ()
    assert _found(logs) == messages


def test_a_store_that_could_never_be_made_lacks_nothing(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a SQLite without trigrams, or a disk that was full from the beginning."""
    monkeypatch.setattr(log_index, "SCHEMA", log_index.SCHEMA.replace("tokenize='trigram'", "tokenize='nonsense'"))
    logs = LocalLogs(tmp_path)
    _write(log, "one")

    [problem] = logs.keep_up(NOW)

    assert "logs are not indexed" in problem
    assert (tmp_path / "logs.db").exists()
    assert _found(logs, "one") == _errors(logs) == ["one"]
