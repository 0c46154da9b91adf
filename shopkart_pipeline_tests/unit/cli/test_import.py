"""`shopkart import jenkins`: what comes out where, and what is refused."""

from pathlib import Path

import pytest

from shopkart_pipeline.cli.main import main
from shopkart_pipeline_tests.unit.spec.declarations import pipeline_of

SAMPLE = Path(__file__).parents[2] / "samples" / "jenkins" / "smallest.Jenkinsfile"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["import", "jenkins", *arguments])
    return int(ended.value.code or 0)


def test_the_declaration_can_be_redirected_and_the_notes_stay_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(SAMPLE), "--service", "shop", "--command", "python -m shop") == 0

    said = capsys.readouterr()
    assert pipeline_of(tmp_path, said.out).services["shop"].workload.command == ("python", "-m", "shop")
    assert "translated: line 6: make test: the command of stage `test`" in said.err
    assert "to be said" in said.out, "what is left to do stands in the file as well"


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "shopkart.yaml"
    assert run(str(SAMPLE), "--out", str(out)) == 0
    assert run(str(SAMPLE), "--out", str(out)) == 1

    assert "Nothing is overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--service", "No Name"], "--service 'No Name' is not a name"),
        (["--approver", "maya"], "--approver 'maya' is not an e-mail address"),
        (["--repository", "shop"], "--repository 'shop' is not a repository"),
        (["--owner", "x y"], "--owner 'x y' is not an e-mail address or team:NAME"),
    ],
)
def test_what_can_not_stand_in_a_declaration_is_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(SAMPLE), *arguments) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe", "is no text in UTF-8"),
        (b" " * (128 * 1024 + 1), "has more than 128 KiB"),
        (b"node { }", "declares no pipeline"),
    ],
)
def test_what_is_no_jenkinsfile_is_refused(
    content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "Jenkinsfile"
    file.write_bytes(content)

    assert run(str(file)) == 1
    assert words in capsys.readouterr().err
    assert run(str(tmp_path / "absent")) == 1
