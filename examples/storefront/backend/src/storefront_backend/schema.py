"""Makes the tables and the first products, whoever starts first.

Replicas start together on an empty database, and `CREATE TABLE IF NOT EXISTS` is not safe against itself, so
each of them takes one advisory lock for the length of the transaction. The others then find everything made.
"""

from importlib.resources import files

from storefront_backend.database import Database

_LOCK = 7_362_011
"""Any number that nothing else in this database uses as an advisory lock."""


async def apply_schema(database: Database) -> None:
    """Brings the database to what this version reads and writes.

    Raises:
        Unavailable: while PostgreSQL does not answer.
    """
    statements = files("storefront_backend").joinpath("schema.sql").read_text(encoding="utf-8")
    async with database.connection() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(statements)
