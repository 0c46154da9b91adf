"""Commands in comments: the first line that is not empty, if it begins with one of them.

Only that line counts, so that a quoted, an explained or a forgotten command further down is none. `/approved` is no
command; `/approve` with too many words is one that was meant and can't be understood.
"""

from dataclasses import dataclass

from shopkart_pipeline.domain.code_host import Command
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.plain_text import plain

_USAGES = {
    Command.APPROVE: "/approve [SERVICE]",
    Command.ROLLBACK: "/rollback [SERVICE]",
    Command.RERUN: "/rerun STAGE [SERVICE]",
}
_LONGEST_SHOWN = 100


@dataclass(frozen=True)
class CommandLine:
    """A command as somebody wrote it."""

    command: Command
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return plain(" ".join([f"/{self.command.value}", *self.arguments]))[:_LONGEST_SHOWN]


@dataclass(frozen=True)
class Asked:
    """What a command asks for."""

    service: str | None
    """None: every service that it can be about."""
    stage: str | None = None
    """Given for `RERUN`, and only there."""


def command_in(text: str) -> CommandLine | None:
    """The command of a comment; None where it is none."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    if not line.startswith("/"):
        return None
    word, *arguments = line.split()
    for command in Command:
        if word.casefold() == f"/{command.value}":
            return CommandLine(command, tuple(arguments))
    return None


def asked_by(line: CommandLine) -> Asked:
    """What a command asks for; raises `Refused` where that can't be understood."""
    match line.command, line.arguments:
        case Command.RERUN, (stage,):
            return Asked(None, stage)
        case Command.RERUN, (stage, service):
            return Asked(service, stage)
        case ((Command.APPROVE | Command.ROLLBACK), ()):
            return Asked(None)
        case ((Command.APPROVE | Command.ROLLBACK), (service,)):
            return Asked(service)
        case _:
            raise Refused(f"{line} can't be understood.", f"Write `{_USAGES[line.command]}`.")
