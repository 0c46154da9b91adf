"""Advisories asked about packages that are known by name and version alone."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.adapters.osv_book import OsvBook
from shopkart_pipeline.domain.advisory import Concern
from shopkart_pipeline.domain.component import PackageVersion
from shopkart_pipeline.domain.errors import NotFound, UntrustedInput
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing
from shopkart_pipeline_tests.advisory_snapshots import an_advisory, snapshot_files
from shopkart_pipeline_tests.contract.images import write_files

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)
OLD, NEW = PackageVersion("PyPI", "starlette", "0.37.2"), PackageVersion("PyPI", "starlette", "0.41.0")
LIBC = PackageVersion("Debian", "libc6", "2.36")


@pytest.fixture
def book(tmp_path: Path) -> OsvBook:
    return OsvBook(tmp_path / "kept")


def snapshot(folder: Path, *advisories: Mapping[str, Any], count: int | None = None) -> Path:
    return write_files(folder / "tree", snapshot_files(*advisories, count=count)) / "advisories"


def test_a_version_is_warned_of_by_all_names_of_the_advisory(book: OsvBook, tmp_path: Path) -> None:
    found = book.snapshot(snapshot(tmp_path, an_advisory(aliases=["CVE-1"]))).warnings([OLD, NEW, LIBC])
    assert [(each.package, each.names) for each in found] == [(OLD, {"GHSA-0000-0000-0001", "CVE-1"})]


def test_a_version_that_can_not_be_read_is_warned_of_wherever_its_package_is_named(
    book: OsvBook, tmp_path: Path
) -> None:
    odd = PackageVersion("PyPI", "starlette", "not a version")
    advisories = book.snapshot(snapshot(tmp_path, an_advisory()))
    assert [each.package for each in advisories.warnings([odd, PackageVersion("PyPI", "other", "odd one")])] == [odd]


def test_only_what_may_be_meant_is_read(book: OsvBook, tmp_path: Path) -> None:
    folder = snapshot(tmp_path, an_advisory(), an_advisory("GHSA-2", "other"))
    (folder / "1.json").write_text("no advisory")
    assert book.snapshot(folder, "ghsa-0000-0000-0001").concerns("GHSA-0000-0000-0001") == (
        Concern("PyPI", "starlette", compared=True),
    )
    with pytest.raises(UntrustedInput, match="can't be read"):
        book.snapshot(folder)


def test_a_snapshot_that_is_not_there_or_lost_a_part_is_none(book: OsvBook, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        book.snapshot(tmp_path / "nowhere")
    with pytest.raises(UntrustedInput, match="2 should be"):
        book.snapshot(snapshot(tmp_path, an_advisory(), count=2))


def test_nothing_was_kept_where_no_live_service_was_asked(book: OsvBook) -> None:
    assert book.kept() is None


def test_a_release_is_judged_against_what_production_had(book: OsvBook, tmp_path: Path) -> None:
    advisories = book.snapshot(snapshot(tmp_path, an_advisory()))
    known, new = (advisories.evidence([OLD, LIBC], base, {}, NOON) for base in ([OLD], [NEW]))
    assert isinstance(known, Evidence)
    assert isinstance(new, Evidence)
    assert [each.is_new for each in (*known.findings, *new.findings)] == [False, True]
    assert new.measures["packages"] == 1


@pytest.mark.parametrize(
    ("packages", "options", "words"),
    [
        ([LIBC], {}, "knows nothing of the release's packages"),
        ([], {}, "knows nothing of the release's packages"),
        ([OLD], {"maximum_age_days": "1"}, "at most 1: renew the snapshot"),
        ([OLD], {"maximum_age_days": "soon"}, "no number of days"),
        ([PackageVersion("PyPI", "starlette", "odd one")], {}, "unreadable version"),
    ],
)
def test_what_can_not_be_judged_is_missing(
    book: OsvBook, tmp_path: Path, packages: list[PackageVersion], options: dict[str, str], words: str
) -> None:
    found = book.snapshot(snapshot(tmp_path, an_advisory())).evidence(packages, [], options, NOON)
    assert isinstance(found, EvidenceMissing)
    assert words in found.reason


def test_what_a_live_service_told_is_no_snapshot(book: OsvBook, tmp_path: Path) -> None:
    write_files(tmp_path / "kept", {"a.json": '{"id": "GHSA-1"}'})
    kept = book.kept()
    assert kept is not None
    assert isinstance(kept.evidence([OLD], [], {}, NOON), EvidenceMissing)
