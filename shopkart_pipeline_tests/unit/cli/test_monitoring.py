"""`shopkart monitoring`: a folder is brought up to date, or is said not to be."""

import argparse
from pathlib import Path

import pytest

from shopkart_pipeline.cli import monitoring
from shopkart_pipeline.domain.alerting import Alerting
from shopkart_pipeline.domain.backup import Recovery
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.monitoring import Target
from shopkart_pipeline.settings import SHIPPED_DECLARATION


def few_files(targets: tuple[Target, ...], alerting: Alerting, recovery: Recovery) -> dict[str, str]:
    """What is generated, cut short."""
    rules = {f"prometheus/{each.environment}-{each.service}.yaml": f"{each.deployment}\n" for each in targets}
    return {"alertmanager/alertmanager.yaml": f"{alerting}\n{recovery}\n", **rules}


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "render_monitoring", few_files)
    monkeypatch.setenv("SHOPKART_DECLARATION", str(SHIPPED_DECLARATION))
    monkeypatch.setenv("SHOPKART_HOME", str(tmp_path / "home"))


def called(folder: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    monitoring.add_arguments(parser)
    return monitoring.run(parser.parse_args(["--out", str(folder), *arguments]))


def test_a_folder_that_was_changed_by_hand_is_found_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    assert called(folder, "--check") == 1
    assert not folder.exists()
    assert called(folder) == 0
    assert called(folder, "--check") == 0
    changed = folder / "alertmanager" / "alertmanager.yaml"
    changed.write_text("route: {}\n")
    (folder / "prometheus" / "staging-backend.yaml").unlink()
    capsys.readouterr()
    assert called(folder, "--check") == 1
    told = capsys.readouterr().out
    assert f"{changed}: differs" in told
    assert "staging-backend.yaml: is not there" in told
    assert "2 files differ. Call it again without `--check`" in told


def test_what_is_not_generated_any_more_is_taken_away_and_nothing_else(tmp_path: Path) -> None:
    assert called(tmp_path / "out") == 0
    own = tmp_path / "out" / "prometheus" / "own.yaml"
    own.write_text("groups: []\n")
    outside = tmp_path / "outside.yaml"
    outside.write_text("not generated\n")
    listed = tmp_path / "out" / "generated.txt"
    listed.write_text(f"{listed.read_text()}../outside.yaml\n")
    assert called(tmp_path / "out", "--environment", "production") == 0
    assert own.exists()
    assert outside.exists()
    left = {path.name for path in (tmp_path / "out" / "prometheus").iterdir()}
    assert left == {"own.yaml"} | {"production-backend.yaml", "production-frontend.yaml"}


def test_who_is_killed_in_between_forgets_no_file_that_is_still_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert called(tmp_path / "out") == 0
    stale = tmp_path / "out" / "prometheus" / "staging-frontend.yaml"

    def killed(path: Path, **_: object) -> None:
        raise KeyboardInterrupt(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            called(tmp_path / "out", "--environment", "production")
    assert stale.exists()
    assert called(tmp_path / "out", "--environment", "production", "--check") == 1
    assert called(tmp_path / "out", "--environment", "production") == 0
    assert not stale.exists()


def test_an_environment_that_nobody_declared_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No environment 'moon' is declared"):
        called(tmp_path / "out", "--environment", "moon")
