"""What every component index owes its callers: one suite over the fake, SQLite and PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.postgres_components import PostgresComponentIndex
from shopkart_pipeline.adapters.sqlite_components import SqliteComponentIndex
from shopkart_pipeline.domain.component import PackageVersion
from shopkart_pipeline.ports.component_index import ComponentIndex, DescribedRelease, Holding
from shopkart_pipeline_tests.fakes.memory_components import MemoryComponentIndex

OLD, NEW = PackageVersion("PyPI", "requests", "2.31.0"), PackageVersion("PyPI", "requests", "2.32.0")
OTHER = PackageVersion("npm", "lodash", "4.17.21")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> ComponentIndex:
    match request.param:
        case "memory":
            return MemoryComponentIndex()
        case "sqlite":
            return SqliteComponentIndex(tmp_path / "below" / "c.db")
        case _:
            return PostgresComponentIndex(request.getfixturevalue("stores"))


def release(key: str, digest: str = "sha256:1", service: str = "backend") -> DescribedRelease:
    return DescribedRelease(service, key, digest, f"sha256:bill-of-{digest}")


def test_an_index_that_knows_nothing_says_so(index: ComponentIndex) -> None:
    assert index.packages("sha256:1") is None
    assert index.versions("requests") == ()
    assert index.holding([OLD]) == ()
    assert index.described() == ()
    assert index.names() == frozenset()


def test_releases_that_hold_a_package_are_found_newest_first_by_service(index: ComponentIndex) -> None:
    index.add(release("2", "sha256:2"), [NEW, OTHER])
    index.add(release("1"), [OLD])
    index.add(release("3", "sha256:3", "frontend"), [OTHER, NEW])
    assert index.holding([NEW, OLD]) == (
        Holding(release("2", "sha256:2"), NEW),
        Holding(release("1"), OLD),
        Holding(release("3", "sha256:3", "frontend"), NEW),
    )
    assert index.holding([OTHER]) == (
        Holding(release("2", "sha256:2"), OTHER),
        Holding(release("3", "sha256:3", "frontend"), OTHER),
    )
    assert index.packages("sha256:2") == (NEW, OTHER)
    assert index.names() == {("backend", "1"), ("backend", "2"), ("frontend", "3")}


def test_versions_are_those_that_some_release_holds(index: ComponentIndex) -> None:
    index.add(release("1"), [NEW, OLD, OTHER])
    assert index.versions("requests") == (OLD, NEW)
    assert index.versions("Requests", "PyPI") == (OLD, NEW)
    assert index.versions("requests", "npm") == ()


def test_saying_it_again_changes_nothing(index: ComponentIndex) -> None:
    for _ in range(2):
        index.add(release("1"), [OLD, OLD])
    assert index.holding([OLD]) == (Holding(release("1"), OLD),)
    assert index.described() == (release("1"),)


def test_releases_with_the_same_image_share_what_it_consists_of(index: ComponentIndex) -> None:
    index.add(release("1"), [OLD])
    index.add(release("2"), [OLD])
    assert [each.release.release_key for each in index.holding([OLD])] == ["2", "1"]


def test_a_newer_image_takes_the_place_of_the_one_before(index: ComponentIndex) -> None:
    index.add(release("1"), [OLD])
    index.add(release("1", "sha256:2"), [NEW])
    assert index.described() == (release("1", "sha256:2"),)
    assert index.holding([OLD]) == ()
    assert index.versions("requests") == (NEW,)


def test_an_image_without_packages_is_known(index: ComponentIndex) -> None:
    index.add(release("1"), [])
    assert index.packages("sha256:1") == ()


def test_the_index_is_replaced_by_what_is_known_now(index: ComponentIndex) -> None:
    index.add(release("1"), [OLD])
    assert index.replace([(release("2", "sha256:2"), [NEW])]) == 1
    assert index.described() == (release("2", "sha256:2"),)
    assert index.packages("sha256:1") is None
    assert index.versions("requests") == (NEW,)


def test_what_fails_halfway_replaces_nothing(index: ComponentIndex) -> None:
    index.add(release("1"), [OLD])

    def broken() -> Iterator[tuple[DescribedRelease, list[PackageVersion]]]:
        yield release("2", "sha256:2"), [NEW]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        index.replace(broken())
    assert index.described() == (release("1"),)
    assert index.holding([OLD]) == (Holding(release("1"), OLD),)
