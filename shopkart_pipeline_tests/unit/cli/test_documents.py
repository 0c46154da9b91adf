"""What pages for newcomers tell: commands can be typed, declarations load, messages exist, links lead somewhere."""

import argparse
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from shopkart_pipeline.cli.main import _COMMANDS, _module, main
from shopkart_pipeline_tests.unit.spec.declarations import pipeline_of

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
INSTALLATION = ("production-installation", "upgrading", "helm", "operations", "security")
PAGES = [DOCS / f"{name}.md" for name in ("getting-started", "from-jenkins", "troubleshooting", *INSTALLATION)]
COMMANDS = re.compile(r"(?:\./)?shopkart ([^`\n#|]+)")
PASSED_ON = {"test", "lint"}
"""What follows these goes to another program."""
ALONE = {"--help", "--version"}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands(page: Path) -> Iterator[str]:
    """Whatever a page would have somebody type: in blocks, and in code within a line."""
    text = page.read_text(encoding="utf-8")
    typed = [
        *(block.replace("\\\n", " ") for block in blocks(page, "console")),
        *re.findall(r"`((?:\./)?shopkart [^`]+)`", text),
    ]
    for each in typed:
        yield from (found.strip() for found in COMMANDS.findall(each))


@cache
def parser_of(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"shopkart {name}", exit_on_error=False)
    _module(name).add_arguments(parser)
    return parser


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", DOCS / "runbook.md"], ids=lambda page: page.stem)
def test_every_command_and_option_can_be_typed(page: Path) -> None:
    typed = list(commands(page))
    assert typed, "the page shows commands"
    for command in typed:
        name, *arguments = shlex.split(command.split(" [")[0].replace("...", "reason"))
        assert name in {*_COMMANDS, *ALONE}, command
        if name in PASSED_ON or not arguments or name in ALONE:
            continue
        known = {option for action in actions(parser_of(name)) for option in action.option_strings}
        assert [each for each in arguments if each.startswith("--") and each.split("=")[0] not in known] == [], command


def actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Those of the parser and of its own commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from actions(inner)


def test_the_way_of_getting_started_can_be_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its declaration is written, and the commands that need no running pipeline are run, word for word."""
    smallest, more = blocks(DOCS / "getting-started.md", "yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOPKART_DECLARATION", str(tmp_path / "shop.yaml"))
    for declaration in (smallest, smallest + more):
        (tmp_path / "shop.yaml").write_text(declaration, encoding="utf-8")
        ran = [
            each for each in commands(DOCS / "getting-started.md") if each.split()[0] in ("validate", "plan", "roles")
        ]
        assert len(ran) == 4
        for command in ran:
            with pytest.raises(SystemExit) as ended:
                main(shlex.split(command))
            assert ended.value.code == 0, capsys.readouterr().out

    said = capsys.readouterr().out
    assert "shop.yaml: valid: 1 service" in said
    assert "contract_tests" in said


def test_the_declaration_of_the_installation_on_eks_loads(tmp_path: Path) -> None:
    smallest, _ = blocks(DOCS / "getting-started.md", "yaml")
    first, *_ = blocks(DOCS / "production-installation.md", "yaml")
    pipeline = pipeline_of(tmp_path, smallest + first)
    assert pipeline.evidence_bucket is not None


def test_the_import_of_from_jenkins_can_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = ROOT / "shopkart_pipeline_tests" / "samples" / "jenkins" / "storefront.Jenkinsfile"
    (tmp_path / "Jenkinsfile").write_bytes(sample.read_bytes())
    monkeypatch.chdir(tmp_path)

    for command in [*commands(DOCS / "from-jenkins.md")][:2]:
        with pytest.raises(SystemExit) as ended:
            main(shlex.split(command))
        assert ended.value.code == 0

    assert "backend" in pipeline_of(tmp_path, (tmp_path / "backend.yaml").read_text(encoding="utf-8")).services


def messages() -> list[str]:
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| .+ \| .+ \|$", text, re.MULTILINE)
    return [row for row in rows if row not in ("it says", "---")]


@cache
def code() -> str:
    """All of the code, words of messages that stand on several lines joined."""
    files = [ROOT / "shopkart", *sorted((ROOT / "shopkart_pipeline").rglob("*.py"))]
    joined = re.compile(r"\"\n\s*f?\"")
    return "\n".join(joined.sub("", file.read_text(encoding="utf-8")) for file in files)


@pytest.mark.parametrize("message", messages())
def test_a_message_that_is_explained_exists(message: str) -> None:
    pieces = [piece.strip() for piece in message.split("…") if len(piece.strip()) > 2]

    assert pieces
    assert [piece for piece in pieces if piece not in code()] == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []
