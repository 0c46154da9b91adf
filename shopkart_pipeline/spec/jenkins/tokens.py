"""A Jenkinsfile as words: names, texts, numbers, signs and ends of lines, each with its line and place.

It follows Groovy's lexical rules as far as declarative pipelines use them: comments in both forms, texts in single,
double and triple quotes, slashy and dollar-slashy texts, `${...}` and `$name` inside of texts that take them. A slash
begins a text only where a value may stand. What is unclosed is a fault at the line where it begins. Every character is
looked at a bounded number of times, so a hostile file costs no more than a long one.

Source: Groovy's language documentation, "Syntax" (comments, identifiers, string literals).
"""

import re
from dataclasses import dataclass
from enum import Enum

from shopkart_pipeline.domain.errors import UntrustedInput

_FIX = "`shopkart import jenkins` reads declarative Jenkinsfiles; mend the file at that line, or take the part out."
_SPACE = re.compile(r"(?:[ \t\r\f\ufeff]|\\\r?\n)+")
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*(?:\??\.[A-Za-z_$][A-Za-z0-9_$]*)*")
_NUMBER = re.compile(r"[0-9][0-9_]*(?:\.[0-9]+)?")
_VARIABLE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)")
_PLAIN = re.compile(r"[^\\$'\"/\n]+")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": "", "s": " "}
_DEEPEST_EXPRESSION = 16


class Kind(Enum):
    NAME = "name"
    TEXT = "text"
    NUMBER = "number"
    SIGN = "sign"
    LINE_END = "end of line"
    END = "end of file"


@dataclass(frozen=True)
class Interpolation:
    """What stands in `${...}`, as it is written."""

    expression: str


@dataclass(frozen=True)
class Token:
    """One word of a Jenkinsfile."""

    kind: Kind
    text: str
    """Of a name, number or sign."""
    line: int
    begins: int
    ends: int
    """Characters of the file, for quoting what stands there."""
    parts: tuple[str | Interpolation, ...] = ()
    """Of a text."""


def unreadable(line: int, what: str) -> UntrustedInput:
    """The fault of a Jenkinsfile that can't be read on."""
    return UntrustedInput(f"Line {line} of the Jenkinsfile: {what}.", _FIX)


def tokens_of(source: str) -> list[Token]:
    """The words of a file, an end of file last.

    Raises:
        UntrustedInput: a text, comment or expression is never closed, or a control character stands somewhere.
    """
    if found := _CONTROL.search(source):
        raise unreadable(source.count("\n", 0, found.start()) + 1, "a control character stands there")
    return _Reader(source).read()


class _Reader:
    """Goes once through the file."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._line = 1
        self._tokens: list[Token] = []

    def read(self) -> list[Token]:
        while self._at < len(self._source):
            self._next()
        self._add(Kind.END, "", self._at, self._line)
        return self._tokens

    def _next(self) -> None:
        source, begins, line = self._source, self._at, self._line
        if found := _SPACE.match(source, begins):
            self._forward(found.end())
        elif source.startswith(("//", "#!"), begins):
            end = source.find("\n", begins)
            self._at = len(source) if end < 0 else end
        elif source.startswith("/*", begins):
            self._forward(self._closing("*/", begins + 2, "a comment"))
        elif source[begins] == "\n":
            self._forward(begins + 1)
            self._add(Kind.LINE_END, "\n", begins, line)
        elif (quote := self._quote()) is not None:
            parts = self._text(*quote)
            self._add(Kind.TEXT, "", begins, line, parts)
        elif found := _NAME.match(source, begins):
            self._at = found.end()
            self._add(Kind.NAME, found.group(), begins, line)
        elif found := _NUMBER.match(source, begins):
            self._at = found.end()
            self._add(Kind.NUMBER, found.group(), begins, line)
        else:
            self._at += 1
            self._add(Kind.SIGN, source[begins], begins, line)

    def _quote(self) -> tuple[str, str, bool] | None:
        """How a text that begins here opens and closes, and whether it takes expressions; None where none begins."""
        for quote in ("'''", '"""', "'", '"'):
            if self._source.startswith(quote, self._at):
                return quote, quote, '"' in quote
        if not self._value_may_stand_here():
            return None
        if self._source.startswith("$/", self._at):
            return "$/", "/$", True
        return ("/", "/", True) if self._source[self._at] == "/" else None

    def _value_may_stand_here(self) -> bool:
        last = self._tokens[-1] if self._tokens else None
        return last is None or (last.kind is Kind.SIGN and last.text in "=(,[:~{!&|?+")

    def _text(self, opening: str, closing: str, takes_expressions: bool) -> tuple[str | Interpolation, ...]:
        source, line = self._source, self._line
        self._at += len(opening)
        parts: list[str | Interpolation] = []
        pieces: list[str] = []
        while not source.startswith(closing, self._at):
            if self._at >= len(source) or (source[self._at] == "\n" and opening in ("'", '"', "/")):
                raise unreadable(line, f"a text that begins with {opening} is never closed")
            expression = self._expression() if takes_expressions and source[self._at] == "$" else None
            if expression is not None:
                parts.extend(("".join(pieces), expression))
                pieces.clear()
            else:
                pieces.append(self._piece(opening))
        self._at += len(closing)
        return tuple(part for part in (*parts, "".join(pieces)) if part != "")

    def _piece(self, opening: str) -> str:
        """Some characters of a text, escapes undone."""
        source, begins = self._source, self._at
        if found := _PLAIN.match(source, begins):
            self._at = found.end()
            return found.group()
        if source[begins] == "\\" and begins + 1 < len(source):
            escaped = source[begins + 1]
            self._forward(begins + 2)
            if opening in ("/", "$/"):
                return escaped if escaped == "/" else f"\\{escaped}"
            return _ESCAPES.get(escaped, escaped)
        self._forward(begins + 1)
        return source[begins]

    def _expression(self) -> Interpolation | None:
        source, begins = self._source, self._at
        if found := _VARIABLE.match(source, begins):
            self._at = found.end()
            return Interpolation(found.group(1))
        if not source.startswith("${", begins):
            return None
        depth = 0
        for at in range(begins + 1, min(len(source), begins + 2000)):
            depth += {"{": 1, "}": -1}.get(source[at], 0)
            if depth > _DEEPEST_EXPRESSION:
                break
            if depth == 0:
                self._forward(at + 1)
                return Interpolation(source[begins + 2 : at].strip())
        raise unreadable(self._line, "an expression that begins with ${ is never closed")

    def _closing(self, sign: str, begins: int, what: str) -> int:
        found = self._source.find(sign, begins)
        if found < 0:
            raise unreadable(self._line, f"{what} is never closed")
        return found + len(sign)

    def _forward(self, to: int) -> None:
        self._line += self._source.count("\n", self._at, to)
        self._at = to

    def _add(self, kind: Kind, text: str, begins: int, line: int, parts: tuple[str | Interpolation, ...] = ()) -> None:
        self._tokens.append(Token(kind, text, line, begins, self._at, parts))
