"""What became of each line of a Jenkinsfile, in words.

Every statement that says something has a note: what it was translated to, that the pipeline does it by itself, or that
it was not translated and why. Quotes are one line, short, and without anything that has the shape of a credential.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.domain.secret_shapes import without_secrets
from shopkart_pipeline.known_secrets import MASK

_LONGEST_QUOTE = 90
_OPTION = re.compile(
    r"(?P<user>(?:^|\s)(?:-u|--user)[= ]?['\"]?[^\s:'\"]{0,99}:)(?!//)[^\s'\"]+"
    r"|(?P<option>\b(?:login|sshpass|mysql|mysqldump)\b(?:\s[^\n]{0,200}?)?\s(?:-p|--password(?!-))[= ]?)[^\s-]\S*"
    r"|(?P<variable>(?i:\b\w{0,40}(?:pass|pwd)\w{0,20}=))[^\s,\]]+"
)
"""Options and variables that hold a credential by what they are for, whatever it looks like; what comes before it is
kept."""


class Treatment(Enum):
    TRANSLATED = "translated"
    SHIPPED = "by itself"
    LEFT = "NOT translated"
    TO_SAY = "to be said"


@dataclass(frozen=True)
class Note:
    """One line's fate."""

    line: int
    """Of the Jenkinsfile; 0 where it does not say what a declaration has to."""
    quote: str
    treatment: Treatment
    words: str

    def __str__(self) -> str:
        place = f"line {self.line}: {self.quote}" if self.line else self.quote
        return f"{self.treatment.value}: {place}: {self.words}"


@dataclass
class Notes:
    """Collects them."""

    _notes: dict[Note, None] = field(default_factory=dict[Note, None])

    def add(self, line: int, text: str, treatment: Treatment, words: str) -> None:
        self._notes[Note(line, quoted(text), treatment, quoted(words, 400))] = None

    def translated(self, line: int, text: str, words: str) -> None:
        self.add(line, text, Treatment.TRANSLATED, words)

    def shipped(self, line: int, text: str, words: str) -> None:
        self.add(line, text, Treatment.SHIPPED, words)

    def left(self, line: int, text: str, words: str) -> None:
        self.add(line, text, Treatment.LEFT, words)

    def to_say(self, key: str, words: str) -> None:
        self.add(0, key, Treatment.TO_SAY, words)

    def sorted(self) -> Sequence[Note]:
        """By line; what has to be said stands first."""
        return sorted(self._notes, key=lambda note: note.line)


def without_credentials(text: str) -> str:
    """A text with everything masked that looks like a credential, or stands where one belongs; unchanged without any.

    What stands there as `$NAME` is no value.
    """
    return _OPTION.sub(_masked, without_secrets(text))


def _masked(match: re.Match[str]) -> str:
    kept = match["user"] or match["option"] or match["variable"]
    value = match[0].removeprefix(kept).strip("'\"")
    return match[0] if value.startswith(("$", MASK[:-1])) else f"{kept}{MASK}"


def quoted(text: str, longest: int = _LONGEST_QUOTE) -> str:
    """A text as a note shows it."""
    shown = plain(" ".join(without_credentials(text).split()))
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
