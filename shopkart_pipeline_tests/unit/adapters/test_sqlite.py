"""Open connections: given back, not shared, and neither taken over a fork nor kept for a file that was replaced."""

import os
import sqlite3
import threading
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._sqlite import Database
from shopkart_pipeline.domain.errors import ToolUnavailable

SCHEMA = "CREATE TABLE IF NOT EXISTS lines (text TEXT NOT NULL)"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "folder" / "lines.db", SCHEMA)


def _write(database: Database, text: str) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO lines VALUES (?)", (text,))


def _lines(database: Database) -> list[str]:
    with database.reading() as connection:
        return [row["text"] for row in connection.execute("SELECT text FROM lines ORDER BY rowid")]


def test_a_connection_is_used_again_by_the_next_operation(database: Database) -> None:
    with database.reading() as first:
        pass
    with database.reading() as second:
        pass

    assert first is second


def test_two_threads_never_share_a_connection(database: Database) -> None:
    with database.reading() as mine:
        other: list[sqlite3.Connection] = []

        def look() -> None:
            with database.reading() as connection:
                other.append(connection)

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    assert other[0] is not mine


def test_a_child_opens_its_own_and_the_parent_goes_on(database: Database) -> None:
    _write(database, "before")
    with database.reading() as connection:
        parents = connection

    child = os.fork()
    if child == 0:
        code = 1
        try:
            with database.reading() as connection:
                code = 2 if connection is parents else 0
            _write(database, "child")
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    _write(database, "after")
    assert _lines(database) == ["before", "child", "after"]


def test_a_file_that_was_taken_away_is_made_anew(database: Database, tmp_path: Path) -> None:
    _write(database, "old")
    for path in (tmp_path / "folder").iterdir():
        path.unlink()

    assert _lines(database) == []
    _write(database, "new")
    assert _lines(database) == ["new"]


def test_a_connection_that_failed_is_not_used_again(database: Database) -> None:
    with database.reading() as failed:
        pass
    with pytest.raises(ToolUnavailable), database.transaction() as connection:
        connection.execute("SELECT nothing")

    with database.reading() as connection:
        assert connection is not failed
        assert not connection.in_transaction


def test_what_fails_in_a_transaction_leaves_nothing(database: Database) -> None:
    def break_off() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO lines VALUES ('half')")
            raise ValueError

    with pytest.raises(ValueError):
        break_off()

    assert _lines(database) == []
