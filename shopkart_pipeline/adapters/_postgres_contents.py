"""What is in a PostgreSQL database: rows by table, and a digest over the schema.

What counts is what a restore makes again, told so that it reads alike afterwards: no numbers that history left
(columns that were dropped, labels that were put between others), no indexes that are invalid, which `pg_dump` leaves
out, nothing that follows from a parent or that only later servers keep. A materialized view is made anew from its
tables, so its rows are not counted. Owners and rights are left out: they are of roles, and roles are not part of a
database. What belongs to an extension is the extension's. Rows that row security would hide raise an error instead of
being missed.

Source: PostgreSQL's documentation, "System Catalogs" and "System Information Functions".
"""

import re
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql

from shopkart_pipeline.domain.backup import Contents
from shopkart_pipeline.domain.canonical import digest_of

Connection = psycopg.Connection[tuple[Any, ...]]
_PREPARE = """
SET search_path = pg_catalog; SET row_security = off; SET lock_timeout = '60s'; SET statement_timeout = {milliseconds};
SELECT set_config(name, '0', false) FROM pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')
"""
_LONGEST_MILLISECONDS = (1 << 31) - 1
_OURS = """n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = @.tableoid AND d.objid = @.oid AND d.deptype = 'e')"""
"""What a user made, and no extension."""
_TABLES = """
SELECT n.nspname, c.relname, c.relkind = 'r' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND OURS(c) ORDER BY 1, 2
"""
_SCHEMA = (
    # Tables, views, sequences, composite types and their columns.
    """
    SELECT n.nspname, c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        a.attidentity, a.attgenerated, pg_get_expr(f.adbin, f.adrelid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    LEFT JOIN pg_attrdef f ON f.adrelid = c.oid AND f.adnum = a.attnum
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c') AND c.relpersistence <> 't' AND a.attnum > 0
        AND NOT a.attisdropped AND OURS(c)
    """,
    # Partitions, inheritance and row security.
    """
    SELECT n.nspname, c.relname, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, pg_get_partkeydef(c.oid),
        pg_get_expr(c.relpartbound, c.oid),
        ARRAY(SELECT i.inhparent::regclass::text FROM pg_inherits i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND OURS(c)
    """,
    """
    SELECT n.nspname, c.relname, y.polname, y.polcmd, y.polpermissive, pg_get_expr(y.polqual, y.polrelid),
        pg_get_expr(y.polwithcheck, y.polrelid)
    FROM pg_policy y JOIN pg_class c ON c.oid = y.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE OURS(c)
    """,
    """
    SELECT n.nspname, c.relname, pg_get_viewdef(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND OURS(c)
    """,
    """
    SELECT n.nspname, c.relname, o.conname, pg_get_constraintdef(o.oid)
    FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE o.contype <> 'n' AND o.conparentid = 0 AND OURS(c)
    """,
    """
    SELECT n.nspname, c.relname, pg_get_indexdef(i.indexrelid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind <> 't' AND (i.indisvalid OR c.relkind = 'p') AND i.indisready AND OURS(c)
    """,
    """
    SELECT n.nspname, c.relname, pg_get_triggerdef(t.oid)
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT t.tgisinternal AND OURS(c)
    """,
    """
    SELECT n.nspname, pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prokind IN ('f', 'p', 'w') AND OURS(p)
    """,
    """
    SELECT n.nspname, t.typname, row_number() OVER (PARTITION BY t.oid ORDER BY e.enumsortorder), e.enumlabel
    FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE OURS(t)
    """,
    """
    SELECT n.nspname, t.typname, format_type(t.typbasetype, t.typtypmod), t.typnotnull, t.typdefault,
        ARRAY(SELECT pg_get_constraintdef(o.oid) FROM pg_constraint o
            WHERE o.contypid = t.oid AND o.contype <> 'n' ORDER BY 1)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype = 'd' AND OURS(t)
    """,
    "SELECT extname FROM pg_extension",
)
_REWRITTEN = re.compile(r'[()]|::(?:character varying|text)(?:\(\d+\))?(?:\[\])?|(?:"[^"]*"|[\w$]+)\.(?=[\w"*])')
"""What PostgreSQL writes in other words once its own were read again, such as `x IN ('a', 'b')` over a varchar; and
where names of columns say their table, which differs between versions."""


def _query(text: str) -> bytes:
    for alias in "cpt":
        text = text.replace(f"OURS({alias})", _OURS.replace("@", alias))
    return text.encode()


def prepare(connection: Connection, timeout_seconds: float) -> None:
    """Set what both sides of a comparison need, before anything is asked for; the limit is for each statement."""
    milliseconds = min(int(timeout_seconds * 1000), _LONGEST_MILLISECONDS)
    connection.execute(_PREPARE.format(milliseconds=milliseconds).encode())


def schema_of(connection: Connection) -> Contents:
    """What the transaction of a prepared connection sees, but for rows: from then on no table is changed in its columns
    or emptied while it lasts. Raises `psycopg.Error`."""
    tables = connection.execute(_query(_TABLES)).fetchall()
    if tables:
        names = sql.SQL(", ONLY ").join(sql.Identifier(schema, table) for schema, table, _ in tables)
        connection.execute(sql.SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE").format(names))
    described = [sorted(map(_described, connection.execute(_query(query)).fetchall())) for query in _SCHEMA]
    [version] = connection.execute(b"SHOW server_version").fetchall()
    return Contents({}, digest_of(described), f"PostgreSQL {version[0]}")


def with_rows(connection: Connection, schema: Contents) -> Contents:
    """The same with the rows of every table, which takes as long as reading all of them."""
    tables = connection.execute(_query(_TABLES)).fetchall()
    rows = {f"{space}.{table}": _count(connection, space, table) for space, table, has_rows in tables if has_rows}
    [(large,)] = connection.execute(b"SELECT count(*) FROM pg_largeobject_metadata").fetchall()
    return replace(schema, rows=rows | ({"large objects": int(large)} if large else {}))


def _described(row: tuple[Any, ...]) -> str:
    return _REWRITTEN.sub("", repr(row))


def _count(connection: Connection, schema: str, table: str) -> int:
    query = sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, table))
    [row] = connection.execute(query).fetchall()
    return int(row[0])
