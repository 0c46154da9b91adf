"""Duplicated code: the same hundred tokens in two places, over at least ten lines.

Names, numbers and operators have to be equal; comments, white space and the text of strings don't matter. That is how
Sonar's copy-paste detector judges languages other than Java: blocks of at least 100 tokens over at least 10 lines.
Import blocks don't count.
"""

import io
import keyword
import tokenize
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

MINIMUM_TOKENS = 100
MINIMUM_LINES = 10

_BASE = 1_000_003
_MODULUS = (1 << 61) - 1
_SILENT = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}
    | {tokenize.ENDMARKER}
)


@dataclass(frozen=True)
class _Token:
    key: int
    first_line: int
    last_line: int


def duplicated_lines(files: Mapping[str, str]) -> dict[str, set[int]]:
    """Numbers, from 1, of the lines that stand in the files twice, by path.

    Args:
        files: Python source by path. What can't be split into tokens has no duplicates: other checks refuse it.
    """
    tokens = {path: _tokens(source) for path, source in files.items()}
    places: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for path, sequence in tokens.items():
        for start, window in enumerate(_windows(sequence)):
            places[window].append((path, start))
    starts: dict[str, set[int]] = defaultdict(set)
    for same in places.values():
        for path, start in same:
            if any(other != path or abs(first - start) >= MINIMUM_TOKENS for other, first in same):
                starts[path].add(start)
    return {path: lines for path, found in starts.items() if (lines := _lines(tokens[path], found))}


def _lines(tokens: list[_Token], starts: set[int]) -> set[int]:
    """Lines of the runs of windows that are long enough."""
    lines: set[int] = set()
    for start in starts:
        if start - 1 in starts:
            continue
        end = start
        while end + 1 in starts:
            end += 1
        first, last = tokens[start].first_line, tokens[end + MINIMUM_TOKENS - 1].last_line
        if last - first + 1 >= MINIMUM_LINES:
            lines.update(range(first, last + 1))
    return lines


def _windows(tokens: list[_Token]) -> list[int]:
    """A rolling hash of every `MINIMUM_TOKENS` tokens in a row, by where they start."""
    if len(tokens) < MINIMUM_TOKENS:
        return []
    leaving = pow(_BASE, MINIMUM_TOKENS - 1, _MODULUS)
    value = 0
    hashes: list[int] = []
    for position, token in enumerate(tokens):
        if position >= MINIMUM_TOKENS:
            value = (value - tokens[position - MINIMUM_TOKENS].key * leaving) % _MODULUS
        value = (value * _BASE + token.key) % _MODULUS
        if position >= MINIMUM_TOKENS - 1:
            hashes.append(value)
    return hashes


def _tokens(source: str) -> list[_Token]:
    found: list[_Token] = []
    statement_starts, in_import = True, False
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NEWLINE:
                statement_starts = True
            if token.type in _SILENT:
                continue
            if statement_starts:
                in_import = token.string in ("import", "from") and keyword.iskeyword(token.string)
                statement_starts = False
            if not in_import:
                text = "" if token.type == tokenize.STRING else token.string
                found.append(_Token(hash((token.type, text)) % _MODULUS, token.start[0], token.end[0]))
    except (tokenize.TokenError, SyntaxError):
        return []
    return found
