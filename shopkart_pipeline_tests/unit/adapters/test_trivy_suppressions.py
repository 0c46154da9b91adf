"""Which of a repository's own words about vulnerabilities trivy gets to hear."""

from datetime import datetime
from pathlib import Path

import pytest
import yaml

from shopkart_pipeline.adapters._trivy_suppressions import Suppressions, prepare_suppressions
from shopkart_pipeline_tests.scan_requests import NOON, a_request, a_stage, write_files

IGNORE_FILE = ".trivyignore.yaml"


def prepare(
    folder: Path, files: dict[str, str], *, scanned: str | None = "backend", now: datetime | None = NOON, **options: str
) -> Suppressions:
    request = a_request(folder, files, stage=a_stage(options=options))
    return prepare_suppressions(request, request.tree, write_files(folder / "work", {}), scanned=scanned, now=now)


def ignored(**entry: object) -> dict[str, str]:
    """An ignore file with one entry that counts, but for what is given."""
    whole = {"id": "CVE-1", "statement": "not used", "expired_at": "2025-03-31", **entry}
    return {IGNORE_FILE: yaml.safe_dump({"vulnerabilities": [{k: v for k, v in whole.items() if v is not None}]})}


def given(folder: Path) -> object:
    """What trivy reads in the ignore file's place."""
    return yaml.safe_load((folder / "work" / "ignored.yaml").read_text())["vulnerabilities"]


def test_without_documents_trivy_gets_none(tmp_path: Path) -> None:
    assert prepare(tmp_path, {}) == Suppressions()


def test_documents_are_copied_and_keep_their_names_for_people(tmp_path: Path) -> None:
    suppressions = prepare(tmp_path, {"a/x.json": "{1}", "b/x.json": "{2}"}, vex="a/x.json b/x.json")

    assert suppressions.arguments == ("--vex", "vex-0.json", "--vex", "vex-1.json")
    assert suppressions.sources == {"vex-0.json": "a/x.json", "vex-1.json": "b/x.json"}
    assert (tmp_path / "work" / "vex-1.json").read_text() == "{2}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.json", "absent.json can't be read: there is none"),
        ("../outside.json", "../outside.json leads out of the repository"),
        ("link.json", "link.json leads out of the repository"),
        ("folder", "folder can't be read: it is no regular file"),
    ],
)
def test_a_declared_document_has_to_be_a_file_of_the_repository(tmp_path: Path, name: str, reason: str) -> None:
    write_files(tmp_path, {"outside.json": "{}"})
    write_files(tmp_path / "tree" / "folder", {})
    (tmp_path / "tree" / "link.json").symlink_to(tmp_path / "outside.json")

    with pytest.raises(ValueError, match=reason):
        prepare(tmp_path, {}, vex=name)


def test_an_entry_with_statement_and_expiry_counts_and_its_expiry_is_judged_here(tmp_path: Path) -> None:
    suppressions = prepare(tmp_path, ignored(purls=["pkg:pypi/starlette"]))

    assert suppressions.arguments == ("--ignorefile", "ignored.yaml")
    assert suppressions.sources == {"ignored.yaml": IGNORE_FILE}
    assert given(tmp_path) == [{"id": "CVE-1", "statement": "not used", "purls": ["pkg:pypi/starlette"]}]
    assert suppressions.notes == ()


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"statement": None}, "gives no statement"),
        ({"statement": "  "}, "gives no statement"),
        ({"expired_at": None}, "gives no expired_at"),
        ({"expired_at": "2025-03-04"}, "expired on 2025-03-04"),
        ({"expired_at": "2025-06-03"}, "expires on 2025-06-03, more than 90 days ahead"),
    ],
)
def test_an_entry_that_would_hold_for_ever_or_for_no_reason_does_not_count(
    tmp_path: Path, entry: dict[str, object], problem: str
) -> None:
    suppressions = prepare(tmp_path, ignored(**entry))

    assert suppressions.arguments == ()
    assert suppressions.notes == (f"1 entries of {IGNORE_FILE} don't count: CVE-1 {problem}.",)


def test_at_the_base_every_entry_counts(tmp_path: Path) -> None:
    suppressions = prepare(tmp_path, ignored(expired_at="2020-01-01", statement=None), now=None)

    assert suppressions.arguments == ("--ignorefile", "ignored.yaml")


def test_a_document_that_the_base_did_not_have_yet_suppressed_nothing_there(tmp_path: Path) -> None:
    assert prepare(tmp_path, {}, now=None, vex="security/new.json") == Suppressions()


@pytest.mark.parametrize(
    ("scanned", "paths", "relative"),
    [
        ("backend", ["backend/requirements.lock", "frontend/x.lock"], ["requirements.lock"]),
        ("backend", ["**/requirements.lock"], ["**/requirements.lock"]),
        ("backend", ["./backend/a.lock"], ["a.lock"]),
        (".", ["backend/requirements.lock"], ["backend/requirements.lock"]),
        (None, ["app/deps/x/METADATA"], ["app/deps/x/METADATA"]),
        ("backend", ["frontend/requirements.lock"], None),
        ("backend", ["requirements.lock"], None),
    ],
)
def test_paths_mean_the_repository_and_an_entry_about_other_folders_does_not_count(
    tmp_path: Path, scanned: str | None, paths: list[str], relative: list[str] | None
) -> None:
    suppressions = prepare(tmp_path, ignored(paths=paths), scanned=scanned)

    if relative is None:
        assert suppressions.arguments == ()
    else:
        assert given(tmp_path) == [{"id": "CVE-1", "statement": "not used", "paths": relative}]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[[[", "is no YAML"),
        ("[" * 500_000 + "]" * 500_000, "nested too deeply"),
        ("a: &a [1]\nb: *a\n", "it uses an alias"),
        ("vulnerabilities: 1\n", "can't be read: vulnerabilities"),
        ("vulnerabilities: [{id: [1]}]\n", "can't be read"),
        ("vulnerabilities: [{id: x, expired_at: soon}]\n", "can't be read"),
        ("- 1\n", "can't be read"),
        ("a: " + "x" * (1024 * 1024), "it is too big"),
        ("a: \x00\n", "is no YAML"),
    ],
)
def test_an_ignore_file_that_can_t_be_read_is_not_passed_over(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        prepare(tmp_path, {IGNORE_FILE: content})


def test_an_empty_ignore_file_and_a_plain_one_suppress_nothing(tmp_path: Path) -> None:
    suppressions = prepare(tmp_path, {IGNORE_FILE: "", ".trivyignore": "CVE-1\n"})

    assert suppressions.arguments == ()
    assert suppressions.notes == (
        ".trivyignore is not read: it gives no reason. Write .trivyignore.yaml, or a waiver.",
    )
