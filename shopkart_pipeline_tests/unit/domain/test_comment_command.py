"""Which comments are commands, and what they ask for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.code_host import Command
from shopkart_pipeline.domain.comment_command import Asked, CommandLine, asked_by, command_in
from shopkart_pipeline.domain.errors import Refused


@pytest.mark.parametrize(
    ("text", "command", "asked"),
    [
        ("/approve", Command.APPROVE, Asked(None)),
        ("/approve backend", Command.APPROVE, Asked("backend")),
        ("/Approve\r\nbecause it is fine", Command.APPROVE, Asked(None)),
        ("\n  \n\n/rollback frontend \nsee the dashboard", Command.ROLLBACK, Asked("frontend")),
        ("/rerun lint", Command.RERUN, Asked(None, "lint")),
        ("/rerun unit_tests backend", Command.RERUN, Asked("backend", "unit_tests")),
    ],
)
def test_a_first_line_that_begins_with_a_command_is_one(text: str, command: Command, asked: Asked) -> None:
    line = command_in(text)

    assert line is not None
    assert (line.command, asked_by(line)) == (command, asked)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n \n",
        "/",
        "/approved",
        "/approve-all",
        "/merge",
        "approve",
        "Please /approve",
        "Looks good!\n/approve",
        "> /approve",
        "    /approve",
        "`/approve`",
        "```\n/approve\n```",
        "<!-- -->/approve",
        "//approve",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert command_in(text) is None


@pytest.mark.parametrize("text", ["/approve backend frontend", "/rerun", "/rerun a b c", "/rollback now, please"])
def test_a_command_that_can_not_be_understood_says_how_it_is_written(text: str) -> None:
    line = command_in(text)
    assert line is not None

    with pytest.raises(Refused, match=rf"Write `/{line.command.value}.*\[SERVICE\]`"):
        asked_by(line)


def test_a_command_is_shown_on_one_short_line() -> None:
    shown = str(CommandLine(Command.APPROVE, ("\x1b[31m", "a\u202eb", "x" * 500)))

    assert len(shown) == 100
    assert shown.isprintable()


@given(st.text())
def test_whatever_is_written_is_read(text: str) -> None:
    line = command_in(text)

    assert line is None or text.lstrip().casefold().startswith(f"/{line.command.value}")
