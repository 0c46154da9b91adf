"""Locks of npm: what they name, and what is no lock."""

import json
from typing import Any

import pytest

from shopkart_pipeline.adapters._package_lock import installed_versions, parse_package_lock
from shopkart_pipeline.adapters._packages import Ecosystem, Package
from shopkart_pipeline_tests.package_locks import package_lock
from shopkart_pipeline_tests.scan_requests import SAMPLES

RECORDED = (SAMPLES / "npm_audit/package-lock.json").read_text()


def named(text: str) -> list[tuple[str, str]]:
    return [(package.name, package.version) for package in parse_package_lock(text)]


def test_a_lock_that_npm_wrote_is_read_with_places() -> None:
    packages = parse_package_lock(RECORDED)

    assert [(one.name, one.version) for one in packages] == [
        ("is-number", "7.0.0"),
        ("lodash", "4.17.15"),
        ("minimist", "1.2.0"),
        ("mkdirp", "0.5.1"),
        ("minimist", "0.0.8"),
    ]
    lines = RECORDED.splitlines()
    assert all(one.line and f'node_modules/{one.name}"' in lines[one.line - 1] for one in packages)
    assert {one.ecosystem for one in packages} == {Ecosystem.NPM}


def test_scopes_nested_packages_and_aliases_have_their_own_names() -> None:
    lock = package_lock(
        {
            "@babel/core": "7.0.0",
            "a/node_modules/@types/node": "20.0.0",
            "short": {"name": "a-long-name", "version": "1.0.0"},
        }
    )

    assert named(lock) == [("@babel/core", "7.0.0"), ("@types/node", "20.0.0"), ("a-long-name", "1.0.0")]


def test_the_project_its_workspaces_and_links_are_no_packages_of_others() -> None:
    document = json.loads(package_lock({"lodash": "4.17.15", "shop": {"resolved": "packages/shop", "link": True}}))
    document["packages"]["packages/shop"] = {"name": "shop", "version": "1.0.0"}

    assert named(json.dumps(document)) == [("lodash", "4.17.15")]


def test_a_version_that_is_installed_twice_is_told_once() -> None:
    lock = package_lock({"a": "1.0.0", "b/node_modules/a": "1.0.0", "c/node_modules/a": "2.0.0"})

    assert named(lock) == [("a", "1.0.0"), ("a", "2.0.0")]
    assert installed_versions(lock)["node_modules/c/node_modules/a"] == "2.0.0"


def test_format_2_is_read_by_its_packages() -> None:
    lock = package_lock({"a": "1.0.0"}, lockfileVersion=2, dependencies={"other": {"version": "9.0.0"}})

    assert named(lock) == [("a", "1.0.0")]


def test_what_only_some_platforms_need_counts() -> None:
    lock = package_lock({"fsevents": {"version": "2.3.3", "optional": True, "os": ["darwin"], "dev": True}})

    [package] = parse_package_lock(lock)
    assert package == Package("fsevents", "2.3.3", package.line, conditional=True, ecosystem=Ecosystem.NPM)


def test_an_empty_lock_names_nothing() -> None:
    assert parse_package_lock(package_lock({})) == ()


def test_a_huge_lock_is_read() -> None:
    lock = package_lock({f"package-{number}": f"1.0.{number}" for number in range(20_000)})

    assert len(parse_package_lock(lock)) == 20_000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no lock of npm"),
        ("[]", "no lock of npm"),
        ("{}", "no lock of npm: lockfileVersion"),
        (RECORDED[:300], "no lock of npm"),
        ("[" * 100_000, "no lock of npm"),
        ('{"lockfileVersion": "x" }', "no lock of npm"),
        ('{"lockfileVersion": 1, "dependencies": {}}', "lockfileVersion is 1, not 2 or 3"),
        ('{"lockfileVersion": 4, "packages": {}}', "lockfileVersion is 4"),
        (package_lock({"a": {"resolved": "git+ssh://example.com/a.git"}}), "a is not pinned"),
        (package_lock({"a b": "1.0.0"}), "no name of a package"),
        (package_lock({"a": {"name": "../../etc", "version": "1.0.0"}}), "no name of a package"),
        (package_lock({"a" * 300: "1.0.0"}), "no name of a package"),
    ],
)
def test_what_can_not_be_relied_on_is_no_lock(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_package_lock(text)


@pytest.mark.parametrize("entry", [None, 7, [], "1.0.0", {"version": 1}])
def test_an_entry_of_another_form_is_no_lock(entry: Any) -> None:
    document = json.loads(package_lock({}))
    document["packages"]["node_modules/a"] = entry

    with pytest.raises(ValueError, match="no lock of npm"):
        parse_package_lock(json.dumps(document))
