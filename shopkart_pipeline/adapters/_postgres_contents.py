"""What is in a PostgreSQL database: rows by table, and a digest over the schema.

Everything that `pg_dump` writes out and `pg_restore` makes again counts, but for owners and rights, which drills leave
out: they are of roles, and roles are not part of a database. What belongs to an extension is the extension's. Rows that
row security would hide raise an error instead of being missed.

Source: PostgreSQL's documentation, "System Catalogs" and "System Information Functions".
"""

from typing import Any

import psycopg
from psycopg import sql

from shopkart_pipeline.domain.backup import Contents
from shopkart_pipeline.domain.canonical import digest_of

Connection = psycopg.Connection[tuple[Any, ...]]
_PREPARE = """
SET search_path = pg_catalog; SET row_security = off; SET lock_timeout = '60s';
SET idle_in_transaction_session_timeout = 0
"""
_OURS = """n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = @.oid AND d.deptype = 'e')"""
"""What a user made, and no extension."""
_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relispopulated AND c.relpersistence <> 't' AND OURS(c) ORDER BY 1, 2
"""
_SCHEMA = (
    # Tables, views, sequences and their columns.
    """
    SELECT n.nspname, c.relname, c.relkind, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        a.attidentity, a.attgenerated, pg_get_expr(f.adbin, f.adrelid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    LEFT JOIN pg_attrdef f ON f.adrelid = c.oid AND f.adnum = a.attnum
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't' AND a.attnum > 0
        AND NOT a.attisdropped AND OURS(c)
    """,
    """
    SELECT n.nspname, c.relname, pg_get_viewdef(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND OURS(c)
    """,
    """
    SELECT n.nspname, c.relname, o.conname, pg_get_constraintdef(o.oid)
    FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE OURS(c)
    """,
    """
    SELECT n.nspname, c.relname, pg_get_indexdef(i.indexrelid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind <> 't' AND OURS(c)
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
    SELECT n.nspname, t.typname, e.enumsortorder, e.enumlabel
    FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE OURS(t)
    """,
    "SELECT extname FROM pg_extension",
)


def _query(text: str) -> bytes:
    for alias in "cpt":
        text = text.replace(f"OURS({alias})", _OURS.replace("@", alias))
    return text.encode()


def prepare(connection: Connection) -> None:
    """Set what both sides of a comparison need, before `contents` is asked for."""
    connection.execute(_PREPARE.encode())


def contents(connection: Connection) -> Contents:
    """What the transaction of a prepared connection sees. Raises `psycopg.Error`."""
    tables = connection.execute(_query(_TABLES)).fetchall()
    rows = {f"{schema}.{table}": _count(connection, schema, table) for schema, table in tables}
    [(large,)] = connection.execute(b"SELECT count(*) FROM pg_largeobject_metadata").fetchall()
    rows |= {"large objects": int(large)} if large else {}
    described = [sorted(map(repr, connection.execute(_query(query)).fetchall())) for query in _SCHEMA]
    [version] = connection.execute(b"SHOW server_version").fetchall()
    return Contents(rows, digest_of(described), f"PostgreSQL {version[0]}")


def _count(connection: Connection, schema: str, table: str) -> int:
    query = sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, table))
    [row] = connection.execute(query).fetchall()
    return int(row[0])
