"""Advisories in OSV format: which versions they concern, and what a snapshot has to be."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.adapters._advisories import Vulnerability, index_of, vulnerabilities
from shopkart_pipeline.adapters._osv_documents import Advisory
from shopkart_pipeline.adapters._packages import Ecosystem, Package
from shopkart_pipeline.adapters._snapshot import load_snapshot
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline_tests.advisory_snapshots import an_advisory, snapshot_files
from shopkart_pipeline_tests.scan_requests import write_files

HIGH_VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"


def judged(folder: Path, version: str, *advisories: dict[str, Any], package: str = "starlette") -> list[Vulnerability]:
    write_files(folder, snapshot_files(*advisories))
    return list(vulnerabilities(load_snapshot(folder / "advisories").index, [Package(package, version)]))


def judged_npm(
    folder: Path, version: str, *events: dict[str, str], versions: tuple[str, ...] = ()
) -> list[Vulnerability]:
    advisory = an_advisory(package="lodash", ecosystem="npm", events=list(events), versions=list(versions))
    write_files(folder, snapshot_files(advisory))
    package = Package("lodash", version, ecosystem=Ecosystem.NPM)
    return list(vulnerabilities(load_snapshot(folder / "advisories").index, [package]))


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


@pytest.mark.parametrize(
    ("version", "events", "concerned"),
    [
        ("4.17.20", [{"introduced": "0"}, {"fixed": "4.17.21"}], True),
        ("4.17.21", [{"introduced": "0"}, {"fixed": "4.17.21"}], False),
        ("4.17.21-rc.1", [{"introduced": "0"}, {"fixed": "4.17.21"}], True),
        ("4.17.21+build.7", [{"introduced": "0"}, {"fixed": "4.17.21"}], False),
        ("0.0.0-0", [{"introduced": "0"}, {"fixed": "4.17.21"}], True),
        ("4.9.0", [{"introduced": "4.10.0"}, {"fixed": "4.17.21"}], False),
        ("4.17.20", [{"introduced": "4.17.0"}, {"last_affected": "4.17.20"}], True),
        ("4.17.21", [{"introduced": "4.17.0"}, {"last_affected": "4.17.20"}], False),
        ("1.0.0", [{"introduced": "0"}, {"fixed": "soon"}], True),
    ],
)
def test_versions_of_npm_are_compared_as_semantic_versions(
    tmp_path: Path, version: str, events: list[dict[str, str]], concerned: bool
) -> None:
    assert bool(judged_npm(tmp_path, version, *events)) is concerned


def test_a_listed_version_of_npm_is_concerned(tmp_path: Path) -> None:
    assert judged_npm(tmp_path / "a", "1.0.0", {"introduced": "9.0.0"}, versions=("bogus", "1.0.0"))
    assert not judged_npm(tmp_path / "b", "1.0.0", {"introduced": "9.0.0"}, versions=("1.0.1",))


def test_the_same_name_in_another_ecosystem_is_another_package(tmp_path: Path) -> None:
    write_files(tmp_path, snapshot_files(an_advisory(ecosystem="npm")))
    index = load_snapshot(tmp_path / "advisories").index

    assert not vulnerabilities(index, [Package("starlette", "0.1")])
    assert vulnerabilities(index, [Package("starlette", "0.1.0", ecosystem=Ecosystem.NPM)])


def test_a_package_that_was_published_to_do_harm_is_critical_and_called_so(tmp_path: Path) -> None:
    malicious = an_advisory("MAL-2024-1", aliases=["GHSA-1"], events=[{"introduced": "0"}])

    [found] = judged(tmp_path, "0.1", malicious, an_advisory("GHSA-1"))

    assert (found.id, found.severity) == ("MAL-2024-1", Severity.CRITICAL)


def test_a_listed_version_is_concerned_however_it_is_written(tmp_path: Path) -> None:
    listed = an_advisory(events=[{"introduced": "9"}], versions=["1.0", "bogus!", "1.0.post1"])

    assert judged(tmp_path / "a", "1.0.0", listed)
    assert not judged(tmp_path / "b", "1.0.1", listed)


def test_names_are_compared_as_pypi_does(tmp_path: Path) -> None:
    assert judged(tmp_path, "0.1", an_advisory(package="Typing_Extensions"), package="typing-extensions")


def test_other_ecosystems_and_withdrawn_advisories_concern_nobody(tmp_path: Path) -> None:
    other = an_advisory("A-1", ecosystem="crates.io")
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


@pytest.mark.parametrize(
    ("details", "unknown"),
    [
        ({"events": [{"introduced": "0"}, {"fixed": "0.40.0"}]}, False),
        ({"events": [{"introduced": "0"}]}, False),
        ({"events": [{"introduced": "0"}, {"last_affected": "0.40.0"}]}, True),
        ({"events": [{"introduced": "9"}, {"fixed": "0.0.1"}], "versions": ["0.1"]}, True),
    ],
)
def test_whether_there_is_a_fix_is_unknown_unless_a_range_says_so(
    tmp_path: Path, details: dict[str, Any], unknown: bool
) -> None:
    [found] = judged(tmp_path, "0.1", an_advisory(**details))

    assert found.fix_unknown is unknown


def test_a_version_that_can_not_be_read_is_not_judged(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unreadable version 'latest'"):
        judged(tmp_path, "latest", an_advisory())


def test_a_list_of_advisories_in_one_file_is_read(tmp_path: Path) -> None:
    files = snapshot_files(count=2) | {"advisories/all.json": json.dumps([an_advisory("A-1"), an_advisory("A-2")])}

    assert load_snapshot(write_files(tmp_path, files) / "advisories").count == 2


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
        snapshot_files(an_advisory()) | {"advisories/0.json": "[" * 100_000},
    ],
)
def test_a_snapshot_that_is_not_whole_is_no_snapshot(tmp_path: Path, files: dict[str, str]) -> None:
    write_files(tmp_path, files)

    with pytest.raises((OSError, ValueError)):
        load_snapshot(tmp_path / "advisories")


@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 30))
def test_a_half_open_range_holds_exactly_the_versions_in_it(introduced: int, length: int, version: int) -> None:
    events = [{"fixed": f"1.{introduced + length}.0"}, {"introduced": f"1.{introduced}.0"}]
    for ecosystem in Ecosystem:
        index = index_of([Advisory.model_validate(an_advisory(ecosystem=ecosystem.value, events=events))])
        package = Package("starlette", f"1.{version}.0", ecosystem=ecosystem)

        assert bool(vulnerabilities(index, [package])) is (introduced <= version < introduced + length)
