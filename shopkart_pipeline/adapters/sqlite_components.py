"""The component index in a SQLite file.

Releases that changed nothing but their own code consist of the same packages, so each set of packages is kept once,
under a digest over its members; images lead to sets and releases to images. Ten thousand releases come to a few hundred
sets, which is what a question has to look through. The file can be lost: bills and notes in the evidence store are
what it is made of.
"""

import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path

from shopkart_pipeline.adapters._sqlite import Database
from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.component import PackageVersion
from shopkart_pipeline.ports.component_index import ComponentIndex, DescribedRelease, Holding

_SCHEMA = """
CREATE TABLE IF NOT EXISTS packages (
    id INTEGER PRIMARY KEY,
    ecosystem TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    UNIQUE (name, ecosystem, version)
);
CREATE INDEX IF NOT EXISTS packages_by_name ON packages (name COLLATE NOCASE);
CREATE TABLE IF NOT EXISTS sets (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS members (
    package INTEGER NOT NULL,
    member_of INTEGER NOT NULL,
    PRIMARY KEY (package, member_of)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS members_by_set ON members (member_of);
CREATE TABLE IF NOT EXISTS images (
    digest TEXT PRIMARY KEY,
    consists_of INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS images_by_set ON images (consists_of);
CREATE TABLE IF NOT EXISTS releases (
    service TEXT NOT NULL,
    key TEXT NOT NULL,
    image TEXT NOT NULL,
    report TEXT NOT NULL,
    PRIMARY KEY (service, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS releases_by_image ON releases (image);
"""
_TABLES = ("members", "sets", "packages", "images", "releases")
_HOLDING = """
SELECT releases.service, releases.key, releases.image, releases.report, packages.ecosystem, packages.name,
    packages.version
FROM packages
JOIN members ON members.package = packages.id
JOIN images ON images.consists_of = members.member_of
JOIN releases ON releases.image = images.digest
WHERE packages.name = ? AND packages.ecosystem = ? AND packages.version = ?
"""


class SqliteComponentIndex(ComponentIndex):
    """One file, made when it is missing."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA)

    def add(self, release: DescribedRelease, packages: Collection[PackageVersion]) -> None:
        # What a crash of the machine takes away is made again from the bills.
        with self._database.transaction(durable=False) as connection:
            _add(connection, release, packages)

    def replace(self, described: Iterable[tuple[DescribedRelease, Collection[PackageVersion]]]) -> int:
        count = 0
        with self._database.transaction() as connection:
            for table in _TABLES:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 # Names of our own tables.
            for release, packages in described:
                _add(connection, release, packages)
                count += 1
        return count

    def versions(self, name: str, ecosystem: str | None = None) -> tuple[PackageVersion, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT ecosystem, name, version FROM packages WHERE name = ?1 COLLATE NOCASE"
                " AND (?2 IS NULL OR ecosystem = ?2)"
                " AND EXISTS (SELECT 1 FROM members JOIN images ON images.consists_of = members.member_of"
                " JOIN releases ON releases.image = images.digest WHERE members.package = packages.id)",
                (name, ecosystem),
            ).fetchall()
        return tuple(sorted(PackageVersion(*row) for row in rows))

    def holding(self, packages: Collection[PackageVersion]) -> tuple[Holding, ...]:
        found: list[Holding] = []
        with self._database.reading() as connection:
            for each in sorted(set(packages)):
                rows = connection.execute(_HOLDING, (each.name, each.ecosystem, each.version))
                found += [
                    Holding(DescribedRelease(service, key, image, report), each)
                    for service, key, image, report, *_ in rows
                ]
        newest_first = sorted(found, key=lambda one: (one.release.release_key, one.package), reverse=True)
        return tuple(sorted(newest_first, key=lambda one: one.release.service))

    def packages(self, digest: str) -> tuple[PackageVersion, ...] | None:
        with self._database.reading() as connection:
            image = connection.execute("SELECT consists_of FROM images WHERE digest = ?", (digest,)).fetchone()
            if image is None:
                return None
            rows = connection.execute(
                "SELECT ecosystem, name, version FROM members JOIN packages ON packages.id = members.package"
                " WHERE members.member_of = ?",
                (image["consists_of"],),
            ).fetchall()
        return tuple(sorted(PackageVersion(*row) for row in rows))

    def names(self) -> frozenset[tuple[str, str]]:
        with self._database.reading() as connection:
            return frozenset(map(tuple, connection.execute("SELECT service, key FROM releases")))

    def described(self) -> tuple[DescribedRelease, ...]:
        with self._database.reading() as connection:
            rows = connection.execute("SELECT service, key, image, report FROM releases ORDER BY service, key")
            return tuple(DescribedRelease(*row) for row in rows)


def _add(connection: sqlite3.Connection, release: DescribedRelease, packages: Collection[PackageVersion]) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO images VALUES (?, ?)", (release.digest, _set_of(connection, sorted(set(packages))))
    )
    connection.execute(
        "INSERT OR REPLACE INTO releases VALUES (?, ?, ?, ?)",
        (release.service, release.release_key, release.digest, release.report),
    )


def _set_of(connection: sqlite3.Connection, packages: list[PackageVersion]) -> int:
    """The number of a set of packages, which is made where it is new."""
    digest = digest_of(packages)
    known = connection.execute("SELECT id FROM sets WHERE digest = ?", (digest,)).fetchone()
    if known is not None:
        return int(known["id"])
    number = connection.execute("INSERT INTO sets (digest) VALUES (?)", (digest,)).lastrowid or 0
    rows = [(one.ecosystem, one.name, one.version) for one in packages]
    connection.executemany("INSERT OR IGNORE INTO packages (ecosystem, name, version) VALUES (?, ?, ?)", rows)
    connection.executemany(
        "INSERT INTO members SELECT id, ? FROM packages WHERE ecosystem = ? AND name = ? AND version = ?",
        [(number, *row) for row in rows],
    )
    return number
