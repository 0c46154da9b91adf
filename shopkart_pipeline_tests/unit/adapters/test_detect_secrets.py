"""The embedded search for secrets. Credentials in here are made up, and put together when the tests run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.detect_secrets import DetectSecrets
from shopkart_pipeline.domain.evidence import Severity, ToolRun
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.fakes.fake_scm import FakeSourceControl
from shopkart_pipeline_tests.scan_requests import a_release, a_request, a_stage, evidence_of, reason_of

AWS_ID = "AKIA" + "Z7QX4M2N5P6R3T8W"
AWS_KEY = "wJalrXUtnFEMI" + "K7MDENGbPxRfiCYzK3q9VbT2sLpQd"
GITHUB = "ghp_" + "x9Kd83jfLq02mZ7vBn4cR1tYw5eUiOpAsDfG"
PASSWORD = "tr0ub4dor" + "-and-3"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015" + "a3bf4f1b2b0b822cd15d6c15b0f00a08"


def searched(folder: Path, *commits: Mapping[str, str | bytes | None]) -> tuple[DetectSecrets, ScanRequest]:
    """A release whose last push was the first of the commits."""
    scm = FakeSourceControl()
    shas = [
        scm.add({path: text.encode() if isinstance(text, str) else text for path, text in commit.items()})
        for commit in commits
    ]
    tree: dict[str, str | bytes] = {}
    for commit in commits:
        tree |= {path: text for path, text in commit.items() if text is not None}
        for path in [path for path, text in commit.items() if text is None]:
            del tree[path]
    release = a_release(shas[-1], shas[0])
    return DetectSecrets(scm, folder / "key"), a_request(folder, tree, release=release)


def found(folder: Path, path: str, text: str) -> list[str]:
    """Rules that found something in a file with this text."""
    scanner, request = searched(folder, {}, {path: text})
    return [finding.rule for finding in evidence_of(scanner.scan(request)).findings]


def everything(run: ToolRun) -> str:
    return repr(run) + "".join(report.content.decode() for report in run.raw)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("backend/a.py", f'AWS_ID = "{AWS_ID}"\n'),
        ("backend/a.py", f'aws_secret_key = "{AWS_KEY}"\n'),
        ("backend/a.py", f'unnamed = "{AWS_KEY}"\n'),
        ("backend/a.py", f'password = "{PASSWORD}"\n'),
        ("backend/a.js", f"const apiKey = '{PASSWORD}';\n"),
        ("backend/config.yaml", f"db:\n  password: {PASSWORD}  # of the shop\n"),
        ("backend/config.yml", f"- token: {AWS_KEY}\n"),
        ("backend/.env", f"DB_PASSWORD={PASSWORD}\n"),
        ("backend/production.env", f"export DB_PASSWORD={PASSWORD}\n"),
        ("backend/Dockerfile", f"ENV API_KEY={PASSWORD}\n"),
        ("backend/settings.toml", f'api_key = "{PASSWORD}"\n'),
        ("backend/a.py", f'URL = "postgresql://shop:{PASSWORD}@db.shopkart.example/shop"\n'),
        ("backend/a.py", f'session_token = "{SHA256}"\n'),
        ("backend/deploy.sh", f"curl -H 'Authorization: token {GITHUB}'\n"),
        ("backend/key.pem", "-----BEGIN " + "RSA PRIVATE KEY-----\nabc\n"),
        ("backend/requirements.lock", f"# {GITHUB}\nanyio==4.0 --hash=sha256:{SHA256}\n"),
        ("backend/logo.svg", f'<svg data-key="{AWS_ID}"/>\n'),
        (".env", f"DB_PASSWORD={PASSWORD}\n"),
    ],
)
def test_what_looks_live_is_found(tmp_path: Path, path: str, text: str) -> None:
    assert found(tmp_path, path, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("backend/requirements.lock", f"anyio==4.0 \\\n    --hash=sha256:{SHA256}\n"),
        ("backend/uv.lock", f'wheels = [{{ url = "https://x/a.whl", hash = "sha256:{SHA256}" }}]\n'),
        ("backend/package-lock.json", f'"integrity": "sha512-{AWS_KEY}{AWS_KEY}=="\n'),
        ("backend/Dockerfile", f"FROM python:3.11@sha256:{SHA256}\n"),
        ("backend/a.py", f'CHECKSUM = "{SHA256}"\n'),
        ("backend/a.py", 'password = os.environ["DB_PASSWORD"]\n'),
        ("backend/a.py", 'password = settings.get("password", "")\n'),
        ("backend/a.py", 'PASSWORD_FIELD = "password"\nSECRET_NAME = "storefront/database"\n'),
        ("backend/a.py", 'API_KEY_HEADER = "X-Api-Key"\n'),
        ("backend/a.py", 'message = "password must have 8 characters"\n'),
        ("backend/tests/test_a.py", 'URL = "redis://:s3cret@cache/0"\npassword = "test"\n'),
        ("backend/config.yaml", "password: ${DB_PASSWORD}\napi_key: <your-key-1>\ntoken: {{ token }}\n"),
        ("backend/config.yaml", "password: changeme123\nsecret: example-secret-1\n"),
        ("backend/a.py", 'key = "abcdefghijklmnopqrstuvwxyz0123456789"\n'),
        ("backend/a.py", 'request_id = "550e8400-e29b-41d4-a716-446655440000"\n'),
        ("backend/a.py", 'path = "backend/src/storefront_backend/carts/storage/format_version_two.py"\n'),
        ("backend/a.py", "# Account SID (AC" + "x" * 32 + ")\n"),
    ],
)
def test_what_is_no_live_secret_is_not_found(tmp_path: Path, path: str, text: str) -> None:
    assert found(tmp_path, path, text) == []


def test_a_finding_names_rule_and_place_and_never_the_secret(tmp_path: Path) -> None:
    scanner, request = searched(tmp_path, {}, {"backend/a.py": f'\n\nAWS_ID = "{AWS_ID}"\n'})

    run = scanner.scan(request)

    [finding] = evidence_of(run).findings
    assert (finding.rule, finding.path, finding.line) == ("AWSKeyDetector", "backend/a.py", 3)
    assert finding.severity is Severity.CRITICAL
    assert finding.is_new
    assert AWS_ID not in everything(run)
    assert AWS_ID[4:12] not in everything(run)


def test_a_secret_that_a_later_commit_took_away_is_found_in_its_commit(tmp_path: Path) -> None:
    leak = {"backend/a.py": f'AWS_ID = "{AWS_ID}"\n'}
    scanner, request = searched(tmp_path, {"backend/b.py": ""}, leak, {"backend/a.py": "AWS_ID = read()\n"})

    evidence = evidence_of(scanner.scan(request))

    [finding] = evidence.findings
    assert "stays in the history" in finding.message
    assert "commit " in finding.message
    assert evidence.measures["commits_scanned"] == 2


def test_a_secret_in_tree_and_commits_is_one_finding(tmp_path: Path) -> None:
    line = f'AWS_ID = "{AWS_ID}"\n'
    scanner, request = searched(tmp_path, {}, {"backend/a.py": line}, {"backend/a.py": f"# moved\n{line}"})

    evidence = evidence_of(scanner.scan(request))

    [finding] = evidence.findings
    assert finding.line == 2
    assert "commit " in finding.message
    assert "history" not in finding.message
    assert evidence.measures["secrets"] == 1


def test_a_secret_of_another_service_in_the_same_push_is_found(tmp_path: Path) -> None:
    scanner, request = searched(tmp_path, {}, {"frontend/a.py": f'AWS_ID = "{AWS_ID}"\n', "backend/b.py": "x = 1\n"})

    assert [finding.path for finding in evidence_of(scanner.scan(request)).findings] == ["frontend/a.py"]


def test_secrets_before_the_last_push_are_found_in_the_tree_alone(tmp_path: Path) -> None:
    old = {"backend/a.py": f'AWS_ID = "{AWS_ID}"\n', "frontend/b.py": f'token = "{GITHUB}"\n'}
    scanner, request = searched(tmp_path, old, {"backend/c.py": "x = 1\n"})

    assert [finding.path for finding in evidence_of(scanner.scan(request)).findings] == ["backend/a.py"]


def test_after_a_force_push_the_whole_history_is_searched_and_noted(tmp_path: Path) -> None:
    scanner, request = searched(tmp_path, {"frontend/b.py": f'token = "{GITHUB}"\n'}, {"backend/c.py": "x = 1\n"})
    lost = replace(request, release=replace(request.release, previous_sha="f" * 40))

    evidence = evidence_of(scanner.scan(lost))

    assert [finding.path for finding in evidence.findings] == ["frontend/b.py"]
    assert "whole history" in evidence.notes[0]


def test_binary_and_very_large_files_are_counted_and_named(tmp_path: Path) -> None:
    files: dict[str, str | bytes | None] = {
        "backend/a.py": "x = 1\n",
        "backend/logo.png": b"\x89PNG\0" + AWS_ID.encode(),
        "backend/dump.sql": b"-" * (1024 * 1024 + 1),
    }
    scanner, request = searched(tmp_path, {}, files)

    evidence = evidence_of(scanner.scan(request))

    assert (evidence.measures["files_scanned"], evidence.measures["files_skipped"]) == (1, 2)
    assert "backend/dump.sql" in evidence.notes[0]
    assert "backend/logo.png" in evidence.notes[0]


def test_an_allowed_line_is_left_out_and_counted(tmp_path: Path) -> None:
    text = f'AWS_ID = "{AWS_ID}"  # pragma: allowlist secret\nx = 1  # pragma: allowlist secret\n'
    scanner, request = searched(tmp_path, {}, {"backend/a.py": text})

    evidence = evidence_of(scanner.scan(request))

    assert (evidence.measures["secrets"], evidence.measures["allowed"]) == (0, 1)
    assert "1 lines marked as allowed" in evidence.notes[-1]


def test_fingerprints_stay_when_lines_move_and_differ_between_installations(tmp_path: Path) -> None:
    line = f'AWS_ID = "{AWS_ID}"\n'
    first, request = searched(tmp_path / "one", {}, {"backend/a.py": line})
    second, moved = searched(tmp_path / "two", {}, {"backend/a.py": f"\n\n{line}"})
    (tmp_path / "two/key").write_bytes(b"")

    same = [
        evidence_of(first.scan(each)).findings[0].fingerprint for each in (request, replace(request, tree=moved.tree))
    ]
    (tmp_path / "two/key").unlink()
    other = evidence_of(second.scan(moved)).findings[0].fingerprint

    assert same[0] == same[1] != other


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    scanner, request = searched(tmp_path, {}, {"backend/a.py": f'AWS_ID = "{AWS_ID}"\n'})
    scanner.scan(request)
    key = (tmp_path / "key").read_bytes()

    scanner.scan(request)

    assert len(key) == 32
    assert (tmp_path / "key").read_bytes() == key
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


def test_a_damaged_key_is_no_evidence(tmp_path: Path) -> None:
    scanner, request = searched(tmp_path, {}, {"backend/a.py": f'AWS_ID = "{AWS_ID}"\n'})
    (tmp_path / "key").write_bytes(b"short")

    assert "damaged key" in reason_of(scanner.scan(request))


def test_commits_that_can_not_be_read_are_no_evidence(tmp_path: Path) -> None:
    _, request = searched(tmp_path, {}, {"backend/a.py": "x = 1\n"})

    assert "can't be searched" in reason_of(DetectSecrets(FakeSourceControl(), tmp_path / "key").scan(request))


def test_no_file_at_all_is_no_evidence(tmp_path: Path) -> None:
    scanner, request = searched(tmp_path, {}, {})

    assert "looked at no file" in reason_of(scanner.scan(request))


def test_running_out_of_time_is_no_evidence(tmp_path: Path) -> None:
    scanner, request = searched(tmp_path, {}, {"backend/a.py": "x = 1\n"})

    run = scanner.scan(replace(request, stage=a_stage(timeout_seconds=0.0)))

    assert "ran out of time" in reason_of(run)


def test_a_very_long_line_is_searched_to_its_end_in_time(tmp_path: Path) -> None:
    line = "x = '" + "a=b;" * 100_000 + f"' {GITHUB}\n"
    scanner, request = searched(tmp_path, {}, {"backend/a.js": line})

    assert [finding.rule for finding in evidence_of(scanner.scan(request)).findings] == ["GitHubTokenDetector"]
