"""Semantic versions: what is one, and that their order is one."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.adapters._semver import LOWEST, Semver, parse_semver

numbers = st.integers(0, 3)
identifiers = st.one_of(st.integers(0, 12), st.sampled_from(["a", "alpha", "beta", "rc", "-", "1a", "B"]))
versions = st.builds(
    Semver, st.tuples(numbers, numbers, numbers), st.lists(identifiers, max_size=3).map(tuple[int | str, ...])
)

ASCENDING = [
    "0.0.0-0",
    "0.0.0",
    "0.9.10",
    "0.10.0",
    "1.0.0-1",
    "1.0.0-9",
    "1.0.0-10",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "2.0.0",
    "10.0.0",
]
"""The example of the specification (item 11), and around it."""


def test_the_example_of_the_specification_is_in_order() -> None:
    read = [parse_semver(text) for text in ASCENDING]

    assert all(earlier < later for earlier, later in pairwise(read))
    assert [str(version) for version in read] == ASCENDING


def test_build_metadata_and_a_leading_v_say_nothing() -> None:
    assert parse_semver("v1.2.3+build.001-x") == parse_semver("1.2.3") == parse_semver(" 1.2.3 ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "01.2.3",
        "1.2.03",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3-a..b",
        "1.2.3+",
        "1.2.x",
        "^1.2.3",
        "latest",
        "1.2.3 || 2",
        "\u0661.2.3",
        "1.2.3\n4",
        f"1.2.{'9' * 300}",
    ],
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no semantic version"):
        parse_semver(text)


@given(versions)
def test_a_version_is_read_as_it_is_written(version: Semver) -> None:
    assert parse_semver(str(version)) == version


@given(versions, versions)
def test_of_two_versions_exactly_one_of_less_equal_and_greater_holds(one: Semver, other: Semver) -> None:
    assert [one < other, one == other, one > other].count(True) == 1
    assert (one <= other) is (one < other or one == other)


@given(versions, versions, versions)
def test_the_order_is_transitive(one: Semver, two: Semver, three: Semver) -> None:
    first, second, third = sorted([one, two, three])

    assert first <= second <= third
    assert first <= third


@given(versions)
def test_a_pre_release_comes_before_its_release_and_nothing_before_the_lowest(version: Semver) -> None:
    assert version >= LOWEST
    assert not version.prerelease or version < Semver(version.release)


@given(versions, identifiers)
def test_one_more_identifier_comes_later(version: Semver, identifier: int | str) -> None:
    longer = Semver(version.release, (*version.prerelease, identifier))

    assert longer > version if version.prerelease else longer < version
