"""Advisories in OSV format: which versions they concern, and what a snapshot has to be."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from shopkart_pipeline.adapters._advisories import Vulnerability, load_snapshot, vulnerabilities
from shopkart_pipeline.adapters._locked_packages import Package
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline_tests.advisory_snapshots import an_advisory, snapshot_files
from shopkart_pipeline_tests.scan_requests import write_files

HIGH_VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"


def judged(folder: Path, version: str, *advisories: dict[str, Any], package: str = "starlette") -> list[Vulnerability]:
    write_files(folder, snapshot_files(*advisories))
    return list(vulnerabilities(load_snapshot(folder / "advisories"), [Package(package, version)]))


@pytest.mark.parametrize(
    ("version", "events", "concerned"),
    [
        ("0.39.9", [{"introduced": "0"}, {"fixed": "0.40.0"}], True),
        ("0.40.0", [{"introduced": "0"}, {"fixed": "0.40.0"}], False),
        ("0.40.0rc1", [{"introduced": "0"}, {"fixed": "0.40.0"}], True),
        ("0.40.0+local.1", [{"introduced": "0"}, {"fixed": "0.40.0"}], False),
        ("0.39.0+local.1", [{"introduced": "0"}, {"last_affected": "0.39.0"}], True),
        ("0.0.dev1", [{"introduced": "0"}, {"fixed": "0.40.0"}], True),
        ("0.9", [{"introduced": "0.10"}, {"fixed": "0.40.0"}], False),
        ("0.39.0", [{"introduced": "0"}, {"last_affected": "0.39.0"}], True),
        ("0.39.1", [{"introduced": "0"}, {"last_affected": "0.39.0"}], False),
        ("2.1", [{"fixed": "1.5"}, {"introduced": "2.0"}, {"introduced": "0"}, {"fixed": "2.2"}], True),
        ("1.7", [{"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.2"}], False),
        ("99", [{"introduced": "0"}], True),
        ("99", [{"introduced": "not a version"}], True),
    ],
)
def test_a_range_concerns_the_versions_between_its_events(
    tmp_path: Path, version: str, events: list[dict[str, str]], concerned: bool
) -> None:
    assert bool(judged(tmp_path, version, an_advisory(events=events))) is concerned


def test_a_listed_version_is_concerned_however_it_is_written(tmp_path: Path) -> None:
    listed = an_advisory(events=[{"introduced": "9"}], versions=["1.0", "bogus!", "1.0.post1"])

    assert judged(tmp_path / "a", "1.0.0", listed)
    assert not judged(tmp_path / "b", "1.0.1", listed)


def test_names_are_compared_as_pypi_does(tmp_path: Path) -> None:
    assert judged(tmp_path, "0.1", an_advisory(package="Typing_Extensions"), package="typing-extensions")


def test_other_ecosystems_and_withdrawn_advisories_concern_nobody(tmp_path: Path) -> None:
    other = an_advisory("A-1", ecosystem="npm")
    gone = an_advisory("A-2", withdrawn="2024-01-01T00:00:00Z")

    assert judged(tmp_path, "0.1", other, gone) == []


def test_aliases_are_one_vulnerability_with_the_worst_severity(tmp_path: Path) -> None:
    first = an_advisory("PYSEC-2024-1", aliases=["CVE-2024-1"], severity=[{"type": "CVSS_V3", "score": HIGH_VECTOR}])
    second = an_advisory("GHSA-1", aliases=["CVE-2024-1"], database_specific={"severity": "MODERATE"})
    third = an_advisory("CVE-2024-1")

    [found] = judged(tmp_path, "0.1", first, second, third)

    assert (found.id, found.aliases) == ("GHSA-1", ("PYSEC-2024-1", "CVE-2024-1"))
    assert found.severity is Severity.HIGH


@pytest.mark.parametrize(
    ("details", "severity"),
    [
        ({"database_specific": {"severity": "CRITICAL"}}, Severity.CRITICAL),
        ({"database_specific": {"severity": "moderate"}}, Severity.MEDIUM),
        ({"severity": [{"type": "CVSS_V3", "score": HIGH_VECTOR}]}, Severity.HIGH),
        ({"severity": [{"type": "CVSS_V4", "score": "CVSS:4.0/AV:N"}]}, Severity.UNKNOWN),
        ({"database_specific": {"severity": "odd"}}, Severity.UNKNOWN),
        ({}, Severity.UNKNOWN),
    ],
)
def test_severities_come_from_words_or_scores(tmp_path: Path, details: dict[str, Any], severity: Severity) -> None:
    [found] = judged(tmp_path, "0.1", an_advisory(**details))

    assert found.severity is severity


def test_the_nearest_fix_is_named(tmp_path: Path) -> None:
    events = [{"introduced": "0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"fixed": "2.2"}]

    assert [one.fixed_in for one in judged(tmp_path / "a", "1.0", an_advisory(events=events))] == ["1.5"]
    assert [one.fixed_in for one in judged(tmp_path / "b", "2.1", an_advisory(events=events))] == ["2.2"]
    assert [one.fixed_in for one in judged(tmp_path / "c", "3", an_advisory(events=[{"introduced": "0"}]))] == [None]


def test_a_version_that_can_not_be_read_is_not_judged(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unreadable version 'latest'"):
        judged(tmp_path, "latest", an_advisory())


def test_a_list_of_advisories_in_one_file_is_read(tmp_path: Path) -> None:
    files = snapshot_files(count=2) | {"advisories/all.json": json.dumps([an_advisory("A-1"), an_advisory("A-2")])}

    assert len(load_snapshot(write_files(tmp_path, files) / "advisories").advisories) == 2


@pytest.mark.parametrize(
    "files",
    [
        {},
        snapshot_files(),
        snapshot_files(an_advisory(), count=2),
        snapshot_files(an_advisory()) | {"advisories/snapshot.json": "{}"},
        snapshot_files(an_advisory())
        | {"advisories/snapshot.json": '{"taken_at": "2025-01-01T00:00:00", "source": "x", "count": 1}'},
        snapshot_files(an_advisory()) | {"advisories/0.json": '{"id": "A-1", "aff'},
        snapshot_files(an_advisory()) | {"advisories/0.json": '{"name": "no id"}'},
    ],
)
def test_a_snapshot_that_is_not_whole_is_no_snapshot(tmp_path: Path, files: dict[str, str]) -> None:
    write_files(tmp_path, files)

    with pytest.raises((OSError, ValueError)):
        load_snapshot(tmp_path / "advisories")


@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 30))
def test_a_half_open_range_holds_exactly_the_versions_in_it(introduced: int, length: int, version: int) -> None:
    from shopkart_pipeline.adapters._advisories import _Event, _holds  # pyright: ignore[reportPrivateUsage]

    events = [_Event(fixed=f"1.{introduced + length}"), _Event(introduced=f"1.{introduced}")]

    assert _holds(events, Version(f"1.{version}")) is (introduced <= version < introduced + length)
