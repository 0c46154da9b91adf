"""What is wrong with the syntax of a YAML text, in words that say what to do about it."""

import re
from typing import Any

import yaml

_PLACEHOLDER = re.compile(r"""(^\s*(-\s+)?|[:\[,]\s+|\[)\{[a-z_:]+\}""")
_AMBIGUOUS_START = re.compile(r":\s+[@`%&*!|>]")


def syntax_fault(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """The line (from 1) and the message of a syntax error in `text`."""
    if isinstance(error, yaml.reader.ReaderError):
        return _unreadable(error, text)
    detail: Any = error
    lines = text.splitlines() or [""]
    mark = detail.problem_mark or detail.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if line > len(lines):
        line, column = len(lines), len(lines[-1]) + 1
    begun = detail.context_mark
    where = f" (in what begins on line {begun.line + 1})" if begun and begun.line + 1 < line else ""
    problem = detail.problem or detail.context or "not YAML"
    return line, f"not valid YAML at column {column}: {problem}{where}; {_advice(lines, line)}"


def _unreadable(error: Any, text: str) -> tuple[int, str]:
    line = text.count("\n", 0, error.position) + 1
    code = error.character if isinstance(error.character, int) else ord(error.character)
    return line, f"the character U+{code:04X} is not allowed in YAML; remove it"


def _advice(lines: list[str], line: int) -> str:
    """The likeliest mistake on this line."""
    near = lines[line - 1]
    indentation = near[: len(near) - len(near.lstrip())]
    if "\t" in indentation:
        return "indent with spaces instead of tabs"
    if _PLACEHOLDER.search(near):
        return "put a value that begins with { in quotes"
    if _AMBIGUOUS_START.search(near):
        return "put a value that begins with such a character in quotes"
    return "check indentation, quotes and brackets here and on the line above"
