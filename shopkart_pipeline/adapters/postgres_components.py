"""The component index in a PostgreSQL database, kept as in a SQLite file (`sqlite_components`): each set of packages
once, under a digest over its members. It can be lost: it is made of bills and notes in the evidence store."""

from collections.abc import Collection, Iterable

from shopkart_pipeline.adapters._postgres import Connection, Database
from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.component import PackageVersion
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.ports.component_index import ComponentIndex, DescribedRelease, Holding

_TURN = "shopkart_described"
_Described = Iterable[tuple[DescribedRelease, Collection[PackageVersion]]]
_FORGET = (
    "DELETE FROM shopkart_package_members; DELETE FROM shopkart_package_sets; DELETE FROM shopkart_packages;"
    " DELETE FROM shopkart_images; DELETE FROM shopkart_described"
)
_HELD = """
shopkart_package_members AS members
JOIN shopkart_images AS images ON images.consists_of = members.member_of
JOIN shopkart_described AS described ON described.image = images.digest
"""
_VERSIONS = f"""
SELECT ecosystem, name, version FROM shopkart_packages AS packages
WHERE lower(name COLLATE "C") = lower(%s COLLATE "C")
    AND EXISTS (SELECT 1 FROM {_HELD} WHERE members.package = packages.id)
"""  # noqa: S608
_HOLDING = f"""
SELECT packages.digest, described.service, described.key, described.image, described.report
FROM {_HELD} JOIN shopkart_packages AS packages ON packages.id = members.package WHERE packages.digest = ANY(%s)
"""  # noqa: S608
_MEMBERS = """
SELECT ecosystem, name, version FROM shopkart_package_members AS members
JOIN shopkart_packages AS packages ON packages.id = members.package
WHERE members.member_of = (SELECT consists_of FROM shopkart_images WHERE digest = %s)
"""
_ADD_SET = "INSERT INTO shopkart_package_sets (digest) VALUES (%s) RETURNING id"
_ADD_PACKAGES = """
INSERT INTO shopkart_packages (digest, ecosystem, name, version)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[])
ON CONFLICT (digest) DO NOTHING
"""
_ADD_MEMBERS = """
INSERT INTO shopkart_package_members SELECT id, %s FROM shopkart_packages WHERE digest = ANY(%s)
"""
_ADD_IMAGE = """
INSERT INTO shopkart_images VALUES (%s, %s) ON CONFLICT (digest) DO UPDATE SET consists_of = excluded.consists_of
"""
_ADD_RELEASE = """
INSERT INTO shopkart_described VALUES (%s, %s, %s, %s)
ON CONFLICT (service, key) DO UPDATE SET image = excluded.image, report = excluded.report
"""


class PostgresComponentIndex(ComponentIndex):
    """The index in a database with the tables of `_store_tables`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, release: DescribedRelease, packages: Collection[PackageVersion]) -> None:
        self._database.write(lambda connection: _add(connection, release, packages), _TURN)

    def replace(self, described: _Described) -> int:
        begun = False

        def replace(connection: Connection) -> int:
            nonlocal begun
            connection.execute(_FORGET.encode())
            if begun:  # What was read already can't be read again.
                raise ToolUnavailable("The connection was lost while the index was replaced.", "Do it once more.")
            begun = True
            count = 0
            for release, packages in described:
                _add(connection, release, packages)
                count += 1
            return count

        return self._database.write(replace, _TURN)

    def versions(self, name: str, ecosystem: str | None = None) -> tuple[PackageVersion, ...]:
        found = (PackageVersion(*row) for row in self._database.rows(_VERSIONS, (name,)))
        return tuple(sorted(each for each in found if ecosystem is None or each.ecosystem == ecosystem))

    def holding(self, packages: Collection[PackageVersion]) -> tuple[Holding, ...]:
        wanted = {digest_of(each): each for each in packages}
        rows = self._database.rows(_HOLDING, ([*wanted],)) if wanted else []
        found = [Holding(DescribedRelease(*release), wanted[digest]) for digest, *release in rows]
        newest_first = sorted(found, key=lambda one: (one.release.release_key, one.package), reverse=True)
        return tuple(sorted(newest_first, key=lambda one: one.release.service))

    def packages(self, digest: str) -> tuple[PackageVersion, ...] | None:
        rows = self._database.rows(_MEMBERS, (digest,))
        if not rows and not self._database.rows("SELECT 1 FROM shopkart_images WHERE digest = %s", (digest,)):
            return None
        return tuple(sorted(PackageVersion(*row) for row in rows))

    def names(self) -> frozenset[tuple[str, str]]:
        rows = self._database.rows("SELECT service, key FROM shopkart_described")
        return frozenset((service, key) for service, key in rows)

    def described(self) -> tuple[DescribedRelease, ...]:
        rows = self._database.rows("SELECT service, key, image, report FROM shopkart_described")
        return tuple(sorted(DescribedRelease(*row) for row in rows))


def _add(connection: Connection, release: DescribedRelease, packages: Collection[PackageVersion]) -> None:
    connection.execute(_ADD_IMAGE, (release.digest, _set_of(connection, sorted(set(packages)))))
    connection.execute(_ADD_RELEASE, (release.service, release.release_key, release.digest, release.report))


def _set_of(connection: Connection, packages: list[PackageVersion]) -> int:
    """The number of a set of packages, which is made where it is new."""
    digest = digest_of(packages)
    known = connection.execute("SELECT id FROM shopkart_package_sets WHERE digest = %s", (digest,)).fetchone()
    if known is not None:
        return int(known[0])
    [(number,)] = connection.execute(_ADD_SET, (digest,)).fetchall()
    digests = [digest_of(each) for each in packages]
    columns = (
        [each.ecosystem for each in packages],
        [each.name for each in packages],
        [each.version for each in packages],
    )
    connection.execute(_ADD_PACKAGES, (digests, *columns))
    connection.execute(_ADD_MEMBERS, (number, digests))
    return int(number)
