"""`shopkart evidence` and `shopkart verify`: what auditors read, and exit codes that scripts can rest on."""

import argparse
import hashlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.cli import evidence, policy_then, verify
from shopkart_pipeline.domain.attestation import Envelope, Statement
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable, UntrustedInput
from shopkart_pipeline_tests.fakes.proven_release import DECLARATION, ProvenRelease, proven_release

LATER = "2025-03-05T00:00:00+00:00"


@pytest.fixture
def proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProvenRelease:
    found = proven_release(tmp_path)
    (tmp_path / "keys.json").write_bytes(found.keys)
    for module in (evidence, verify):
        monkeypatch.setattr(module, "open_platform", lambda: found.platform)
    return found


def run(command: Any, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    code = command.run(parser.parse_args([str(each) for each in arguments]))
    return code, capsys.readouterr().out


def written(proven: ProvenRelease, capsys: pytest.CaptureFixture[str]) -> Path:
    path = proven.world.folder / "bundle.zip"
    assert run(evidence, capsys, "backend", "--out", path)[0] == 0
    return path


def test_a_release_is_written_and_proved(proven: ProvenRelease, capsys: pytest.CaptureFixture[str]) -> None:
    path, keys = proven.world.folder / "bundle.zip", proven.world.folder / "keys.json"

    code, said = run(evidence, capsys, "backend", "--out", path)
    checked, told = run(verify, capsys, path, "--keys", keys, "--at", LATER)

    assert (code, checked) == (0, 0)
    assert f"about {proven.release.name}" in said
    assert f"signed by key {proven.attestor.key.key_id[:16]}" in said
    assert told.splitlines()[0].startswith("proved   container")
    assert told.splitlines()[-1].endswith("0 missing, 0 false: all is proved")
    assert [each.name for each in path.parent.glob("bundle.zip*")] == ["bundle.zip"]


def test_what_is_not_proved_exits_with_1(proven: ProvenRelease, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(proven, capsys)
    path.write_bytes(path.read_bytes()[:-1])

    code, told = run(verify, capsys, path, "--keys", proven.world.folder / "keys.json", "--at", LATER, "--json")

    assert code == 1
    assert [(each["name"], each["state"]) for each in json.loads(told)] == [
        ("container", "false"),
        ("everything else", "missing"),
    ]


def test_a_release_is_verified_without_a_file(proven: ProvenRelease, capsys: pytest.CaptureFixture[str]) -> None:
    keys = proven.world.folder / "keys.json"

    assert run(verify, capsys, f"backend@{proven.release.key}", "--keys", keys, "--at", LATER)[0] == 0


def test_without_a_signer_that_answers_a_release_is_looked_at_all_the_same(
    proven: ProvenRelease, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(statement: Statement) -> Envelope:
        raise ToolUnavailable("The signer does not answer.", "Start it.")

    monkeypatch.setattr(proven.attestor, "sign", silent)
    keys = proven.world.folder / "keys.json"

    code, told = run(verify, capsys, f"backend@{proven.release.key}", "--keys", keys, "--at", LATER)

    assert code == 1
    assert "missing  manifest " in told
    assert "proved   record of lint" in told
    with pytest.raises(ToolUnavailable):
        run(evidence, capsys, "backend", "--out", proven.world.folder / "b.zip")


def test_a_release_is_told_by_the_policy_of_its_day(
    proven: ProvenRelease, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The declaration asks for more today; what went to production by another one is judged by that."""
    then, today = proven.world.pipeline, b"version: 1\n# Stricter.\n"
    seen: list[bytes] = []

    def loaded(file: Path, *, home: Path) -> Pipeline:
        seen.append(file.read_bytes())
        return then

    monkeypatch.setattr(policy_then, "load", loaded)
    then.file.write_bytes(today)
    proven.world.pipeline = replace(then, digest=f"sha256:{hashlib.sha256(today).hexdigest()}")
    proven.world.declare("backend", lambda service: replace(service, gates=()))
    path, keys = written(proven, capsys), proven.world.folder / "keys.json"

    code, told = run(verify, capsys, path, "--keys", keys, "--at", LATER)

    assert (code, seen) == (0, [DECLARATION])
    assert f"{then.digest} was in force" in told


def test_a_policy_that_can_not_be_had_any_more_is_told(
    proven: ProvenRelease, capsys: pytest.CaptureFixture[str]
) -> None:
    proven.world.pipeline = replace(proven.world.pipeline, digest="sha256:" + "0" * 64)
    proven.world.evidence.reports.pop(f"sha256:{hashlib.sha256(DECLARATION).hexdigest()}")
    path, keys = written(proven, capsys), proven.world.folder / "keys.json"

    code, told = run(verify, capsys, path, "--keys", keys, "--at", LATER)

    assert code == 1
    assert "missing  policy" in told


def test_an_image_is_asked_for_at_the_registry(proven: ProvenRelease, capsys: pytest.CaptureFixture[str]) -> None:
    image = f"backend@{proven.world.digest(proven.release)}"

    code, told = run(verify, capsys, image, "--keys", proven.world.folder / "keys.json", "--at", LATER)

    assert code == 0
    assert "proved   registry" in told
    assert "proved   provenance" in told


def test_a_bundle_that_can_not_be_written_leaves_nothing(
    proven: ProvenRelease, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PipelineError, match="can't be written"):
        run(evidence, capsys, "backend", "--out", proven.world.folder / "nowhere" / "bundle.zip")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["backend"], PipelineError, "There is no file"),
        (["keys.json", "--keys", "nowhere.json"], ToolUnavailable, "can't be read"),
        (["keys.json", "--keys", "allowed_signers"], UntrustedInput, "trusted keys can't be read"),
        (["keys.json", "--keys", "keys.json", "--at", "noon"], UntrustedInput, "no time"),
        ([], PipelineError, "Nothing is named"),
    ],
)
def test_what_can_not_be_used_is_said(
    proven: ProvenRelease,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    error: type[PipelineError],
    words: str,
) -> None:
    monkeypatch.chdir(proven.world.folder)
    arguments = arguments if "--keys" in arguments else [*arguments, "--keys", "keys.json"]

    with pytest.raises(error, match=words):
        run(verify, capsys, *arguments)


def test_the_verifiers_hashes_are_read_by_sha256sum(proven: ProvenRelease, capsys: pytest.CaptureFixture[str]) -> None:
    import shopkart_pipeline

    code, hashes = run(verify, capsys, "--print-verifier-hash")
    folder = Path(shopkart_pipeline.__file__).parent
    checked = subprocess.run(
        ["sha256sum", "-c", "--quiet"], input=hashes, cwd=folder, text=True, timeout=30, check=False
    )

    assert (code, checked.returncode) == (0, 0)
