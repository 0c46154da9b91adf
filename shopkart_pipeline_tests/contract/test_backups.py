"""Backups of a real PostgreSQL: written out while it is written to, sealed, and restored into a server of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from shopkart_pipeline.adapters import _postgres_contents
from shopkart_pipeline.adapters._held_folder import remove_left
from shopkart_pipeline.adapters._postgres_contents import Connection
from shopkart_pipeline.adapters._scratch_postgres import end_left, scratch_postgres
from shopkart_pipeline.adapters.disk_backups import DiskBackups
from shopkart_pipeline.adapters.postgres_dump import PostgresDump
from shopkart_pipeline.adapters.sealed_backups import SealedBackups
from shopkart_pipeline.domain.backup import BackedUp, Contents, Manifest, differences
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.ports.backups import Restored

NOW = datetime(2026, 11, 27, 3, 30, tzinfo=UTC)
SHOP = BackedUp("shop", "production")
SCHEMA = """
CREATE TYPE state AS ENUM ('placed', 'paid');
CREATE TABLE products (sku text PRIMARY KEY, price_cents integer NOT NULL CHECK (price_cents > 0));
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku text NOT NULL REFERENCES products (sku),
    state state NOT NULL DEFAULT 'placed',
    placed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_by_sku ON orders (sku);
CREATE VIEW paid AS SELECT sku, count(*) FROM orders WHERE state = 'paid' GROUP BY sku;
CREATE MATERIALIZED VIEW dear AS SELECT * FROM products WHERE price_cents > 40;
CREATE MATERIALIZED VIEW empty AS SELECT * FROM products WITH NO DATA;
SELECT lo_from_bytea(0, 'a large object');
CREATE FUNCTION cheap(integer) RETURNS boolean LANGUAGE sql AS 'SELECT $1 < 1000';
INSERT INTO products SELECT 'sku-' || n, n FROM generate_series(1, 50) n;
INSERT INTO orders (sku) SELECT 'sku-' || (n % 50 + 1) FROM generate_series(1, 2000) n;
REFRESH MATERIALIZED VIEW dear;
INSERT INTO products VALUES ('late', 99);
ALTER TYPE state ADD VALUE 'packed' BEFORE 'paid';
CREATE TABLE carts (
    id integer, gone integer, kind varchar(20) NOT NULL CHECK (kind IN ('open', 'paid')),
    twice integer GENERATED ALWAYS AS (id * 2) STORED
);
ALTER TABLE carts DROP COLUMN gone, ENABLE ROW LEVEL SECURITY;
CREATE POLICY open_ones ON carts USING (kind = 'open');
CREATE DOMAIN cents AS integer NOT NULL CHECK (VALUE >= 0);
CREATE TYPE place AS (street text, town text);
CREATE TABLE sales (at date NOT NULL, item text NOT NULL, PRIMARY KEY (at, item)) PARTITION BY RANGE (at);
CREATE TABLE returns (at date, item text, FOREIGN KEY (at, item) REFERENCES sales);
CREATE TABLE sales_2026 PARTITION OF sales FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE sales_2025 PARTITION OF sales FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
INSERT INTO sales VALUES ('2025-03-01', 'a'), ('2026-03-01', 'b'), ('2026-03-02', 'c');
CREATE TABLE parent (a integer);
CREATE TABLE child (b integer) INHERITS (parent);
ALTER TABLE parent ADD COLUMN c integer;
CREATE SCHEMA "Odd ""Names"" ü";
CREATE TABLE "Odd ""Names"" ü"."Sélect ;--" ("from" integer PRIMARY KEY);
INSERT INTO "Odd ""Names"" ü"."Sélect ;--" VALUES (1), (2);
"""
"""What a schema is after some years: dropped columns, labels put between others, views that are not up to date."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one server for all: what a superuser reaches."""
    with scratch_postgres(tmp_path_factory.mktemp("postgres"), 16) as running:
        yield running


@pytest.fixture(scope="module")
def address(server: str) -> str:
    """A shop's database, as its owner reaches it, who is no superuser."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(b"CREATE ROLE shop LOGIN PASSWORD 'secret-of-shop'")
        connection.execute(b"CREATE DATABASE shop OWNER shop")
    address = make_conninfo(server, user="shop", password="secret-of-shop", dbname="shop")
    with psycopg.connect(address) as connection:
        connection.execute(SCHEMA.encode())
    with psycopg.connect(address, autocommit=True) as connection, suppress(psycopg.errors.UniqueViolation):
        connection.execute(b"CREATE UNIQUE INDEX CONCURRENTLY broken ON orders (sku)")
    return address


@pytest.fixture
def database(server: str, address: str, tmp_path: Path) -> PostgresDump:
    """Restores go to that server too, each into a database of its own: a server for each takes a second."""

    @contextmanager
    def lend(folder: Path, major: int) -> Iterator[str]:
        del folder
        assert major == 16
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(b"DROP DATABASE IF EXISTS lent")
            connection.execute(b"CREATE DATABASE lent TEMPLATE template0")
        yield make_conninfo(server, dbname="lent")

    return PostgresDump("shop", lambda: address, tmp_path / "scratch", 60.0, lend)


@pytest.fixture
def store(tmp_path: Path) -> SealedBackups:
    return SealedBackups(DiskBackups(tmp_path / "backups"), lambda: bytes(range(32)))


@pytest.fixture(scope="module")
def taken(address: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Path]:
    """A backup that tests copy before they do something to it."""
    folder = tmp_path_factory.mktemp("taken")
    store = SealedBackups(DiskBackups(folder), lambda: bytes(range(32)))
    database = PostgresDump("shop", lambda: address, folder / ".scratch", 60.0)
    return store.write(SHOP, NOW, database.dump), folder


def test_a_backup_is_restored_with_every_table_row_and_the_same_schema(
    database: PostgresDump, taken: tuple[Manifest, Path]
) -> None:
    manifest, folder = taken
    store = SealedBackups(DiskBackups(folder), lambda: bytes(range(32)))

    with database.restored(store.read(manifest), manifest.contents.version) as restored:
        with psycopg.connect(restored.address) as connection:
            assert connection.execute(b"SELECT count(*) FROM orders WHERE cheap(1)").fetchone() == (2000,)
        found = restored.contents

    assert manifest.contents.rows == {
        "public.orders": 2000,
        "public.products": 51,
        "public.carts": 0,
        "public.sales_2025": 1,
        "public.sales_2026": 2,
        "public.returns": 0,
        "public.parent": 0,
        "public.child": 0,
        'Odd "Names" ü.Sélect ;--': 2,
        "large objects": 1,
    }
    assert list(differences(manifest.contents, found)) == []
    assert found == manifest.contents
    assert "PostgreSQL" in manifest.contents.version
    assert "pg_dump" in manifest.tool


def test_a_server_without_programs_of_its_version_comes_back_on_the_next_later_one(
    taken: tuple[Manifest, Path], tmp_path: Path
) -> None:
    manifest, folder = taken
    store = SealedBackups(DiskBackups(folder), lambda: bytes(range(32)))
    database = PostgresDump("shop", lambda: "", tmp_path / "scratch", 60.0)

    with database.restored(store.read(manifest), "PostgreSQL 18.0") as restored:
        assert restored.contents.version.startswith("PostgreSQL 18")
        assert list(differences(manifest.contents, restored.contents)) == []
        assert restored.contents.schema_digest == manifest.contents.schema_digest


def test_a_user_that_only_reads_is_enough_with_its_password_in_a_file_and_options_of_its_own(
    server: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(b"CREATE ROLE reader IN ROLE pg_read_all_data BYPASSRLS")
        connection.execute(b"CREATE ROLE nightly LOGIN NOINHERIT PASSWORD 'secret-of-nightly' IN ROLE reader")
        connection.execute(b"ALTER ROLE nightly SET lo_compat_privileges = on")
    file = tmp_path / ".pgpass"
    file.write_text("127.0.0.1:*:shop:nightly:secret-of-nightly\n")
    file.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    port = conninfo_to_dict(address)["port"]
    nightly = make_conninfo(host="127.0.0.1", port=port, user="nightly", dbname="shop", options="-c role=reader")

    dumped = PostgresDump("shop", lambda: nightly, tmp_path / "scratch", 60.0).dump(len)

    assert dumped.contents.rows["public.orders"] == 2000


def test_what_comes_after_all_that_a_restore_needs_is_read_too(database: PostgresDump, address: str) -> None:
    pieces = list[bytes]()
    version = database.dump(pieces.append).contents.version

    def changed_at_the_end() -> Iterator[bytes]:
        yield from pieces
        yield from (bytes(1 << 20) for _ in range(8))
        raise ToolUnavailable("Its end is damaged.", "")

    with (
        pytest.raises(ToolUnavailable, match="end is damaged"),
        database.restored(changed_at_the_end(), version),
    ):
        raise AssertionError("it must not come to that")


def test_whoever_changes_a_table_while_rows_are_counted_waits_and_the_backup_does_not(
    database: PostgresDump, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(address) as connection:
        connection.execute(b"CREATE TABLE changed AS SELECT generate_series(1, 9) AS n")
    count, changers = _postgres_contents._count, list[Thread]()  # pyright: ignore[reportPrivateUsage]

    def change() -> None:
        with psycopg.connect(address) as other:
            other.execute(b"ALTER TABLE changed ADD COLUMN later integer DEFAULT 1; DELETE FROM changed")

    def counted(connection: Connection, schema: str, table: str) -> int:
        if not changers:
            changers.append(Thread(target=change))
            changers[0].start()
            with psycopg.connect(address, autocommit=True) as looker:
                while looker.execute(b"SELECT FROM pg_locks WHERE NOT granted").fetchone() is None:
                    time.sleep(0.01)
        return count(connection, schema, table)

    monkeypatch.setattr(_postgres_contents, "_count", counted)
    try:
        dumped = database.dump(len)
        changers[0].join()
    finally:
        with psycopg.connect(address) as connection:
            connection.execute(b"DROP TABLE changed")

    assert dumped.contents.rows["public.changed"] == 9


def test_what_is_written_meanwhile_is_in_neither_the_counts_nor_the_dump(
    database: PostgresDump, store: SealedBackups, address: str
) -> None:
    with psycopg.connect(address) as connection:
        connection.execute(b"CREATE TABLE busy AS SELECT generate_series(1, 100) AS n")
    done = list[bool]()

    def write_while_dumped(sink: Callable[[bytes], Any]) -> Any:
        def disturbed(piece: bytes) -> None:
            if not done:
                with psycopg.connect(address) as other:
                    other.execute(b"INSERT INTO busy SELECT generate_series(1, 50)")
                done.append(True)
            sink(piece)

        return database.dump(disturbed)

    try:
        manifest = store.write(SHOP, NOW, write_while_dumped)
        with database.restored(store.read(manifest), manifest.contents.version) as restored:
            assert done
            assert restored.contents.rows["public.busy"] == manifest.contents.rows["public.busy"] == 100
    finally:
        with psycopg.connect(address) as connection:
            connection.execute(b"DROP TABLE busy")


def test_a_lost_row_table_or_index_is_a_difference(database: PostgresDump, taken: tuple[Manifest, Path]) -> None:
    manifest, folder = taken
    store = SealedBackups(DiskBackups(folder), lambda: bytes(range(32)))

    def look(restored: Restored, statement: bytes) -> Contents:
        with psycopg.connect(restored.address) as connection:
            connection.execute(statement)
        return database._look(restored.address)  # pyright: ignore[reportPrivateUsage]

    with database.restored(store.read(manifest), manifest.contents.version) as restored:
        lost = look(restored, b"DELETE FROM orders WHERE id = 7")
        assert list(differences(manifest.contents, lost)) == ["public.orders has 1999 rows instead of 2000"]
        assert lost.schema_digest == manifest.contents.schema_digest
        for lost_part in (
            b"ALTER TABLE sales DETACH PARTITION sales_2025",
            b"DROP POLICY open_ones ON carts",
            b"ALTER DOMAIN cents DROP CONSTRAINT cents_check",
            b"ALTER TABLE carts DISABLE ROW LEVEL SECURITY",
            b"DROP INDEX orders_by_sku",
        ):
            before = database._look(restored.address)  # pyright: ignore[reportPrivateUsage]
            assert look(restored, lost_part).schema_digest != before.schema_digest
        gone = look(restored, b"DROP TABLE orders CASCADE")
        assert "public.orders is missing (2000 rows)" in list(differences(manifest.contents, gone))


def test_a_dump_that_is_cut_off_does_not_count_as_restored(
    database: PostgresDump, taken: tuple[Manifest, Path]
) -> None:
    manifest, folder = taken
    content = (folder / manifest.name / "data").read_bytes()
    changed = folder / replace(manifest, id="cut").name / "data"
    changed.parent.mkdir(parents=True)
    changed.write_bytes(content[:-20])
    store = SealedBackups(DiskBackups(folder), lambda: bytes(range(32)))

    with (
        pytest.raises(ToolUnavailable, match="damaged"),
        database.restored(store.read(replace(manifest, id="cut")), manifest.contents.version),
    ):
        raise AssertionError("it must not come to that")


def test_a_server_that_can_not_be_reached_is_told_without_the_password(tmp_path: Path) -> None:
    database = PostgresDump("shop", lambda: "postgresql://me:geheim@127.0.0.1:1/x", tmp_path / "scratch", 60.0)

    with pytest.raises(ToolUnavailable, match="shop can't be used") as caught:
        database.dump(len)
    assert "geheim" not in str(caught.value)


def test_a_password_that_is_wrong_is_told_without_it(address: str, tmp_path: Path) -> None:
    wrong = make_conninfo(address, password="geheim")
    database = PostgresDump("shop", lambda: wrong, tmp_path / "scratch", 60.0)

    with pytest.raises(ToolUnavailable, match="authentication failed") as caught:
        database.dump(len)
    assert "geheim" not in str(caught.value)


_KILLED = """
import sys, time
from pathlib import Path
from shopkart_pipeline.adapters._scratch_postgres import scratch_postgres
with scratch_postgres(Path(sys.argv[1]), 16) as address:
    print("ready", flush=True)
    time.sleep(60)
"""


def test_a_drill_that_is_killed_leaves_no_server_and_the_next_one_removes_its_folder(tmp_path: Path) -> None:
    root = tmp_path / "scratch"
    drill = subprocess.Popen([sys.executable, "-c", _KILLED, str(root)], stdout=subprocess.PIPE)
    assert drill.stdout is not None
    assert drill.stdout.readline() == b"ready\n"
    [folder] = root.glob("*/")
    server = psutil.Process(int((folder / "data" / "postmaster.pid").read_text().splitlines()[0]))
    assert remove_left(root, end_left) == 0, "somebody is at it"

    os.kill(drill.pid, signal.SIGKILL)
    drill.wait()
    drill.stdout.close()
    assert remove_left(root, end_left) == 1

    deadline = time.monotonic() + 10
    while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert list(root.glob("*/")) == []
