"""Licences by their SPDX names, from what packages say about themselves.

An expression comes to conditions that all have to be met (`AND`), each of which offers alternatives (`OR`): the form in
which a list of denied names can judge it. The most permissive alternative comes first, since whoever may choose takes
that one. Names that SPDX does not have begin with `LicenseRef-`.

Sources: SPDX 2.3, annex D (expressions) and the SPDX licence list; PyPI's classifiers; PEP 639.
"""

import re

from packaging.licenses import canonicalize_license_expression

Condition = frozenset[str]
"""Licences of which one has to be met."""

_LONGEST = 300
"""Characters; what is longer is the text of a licence, not its name."""
_MOST_CONDITIONS = 32
_NOISE = re.compile(r"\b(the|licen[cs]e[ds]?|version|software|under|terms|of|and|conditions)\b|[^a-z0-9.+ ]")
_GNU = re.compile(
    r"(gnu )?(?P<kind>agpl|lgpl|gpl|(affero|lesser|library( or lesser)?) general public|general public)"
    r" ?v?(?P<number>\d(\.\d)?)?(?P<later> ?\+| or later| or newer)?( only)?"
)
_GNU_NAMES = {"a": "AGPL", "l": "LGPL", "g": "GPL"}
_SPELLINGS = {
    "0bsd": "0BSD",
    "2 clause bsd": "BSD-2-Clause",
    "3 clause bsd": "BSD-3-Clause",
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache2": "Apache-2.0",
    "asl 2": "Apache-2.0",
    "asl 2.0": "Apache-2.0",
    "boost 1.0": "BSL-1.0",
    "bsd": "LicenseRef-BSD",
    "bsd 2 clause": "BSD-2-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "cc0": "CC0-1.0",
    "cc0 1.0": "CC0-1.0",
    "common development distribution 1.0": "CDDL-1.0",
    "eclipse public 1.0": "EPL-1.0",
    "eclipse public 2.0": "EPL-2.0",
    "european union public 1.1": "EUPL-1.1",
    "european union public 1.2": "EUPL-1.2",
    "expat": "MIT",
    "isc": "ISC",
    "iscl": "ISC",
    "mit": "MIT",
    "mit no attribution": "MIT-0",
    "mit x11": "MIT",
    "modified bsd": "BSD-3-Clause",
    "mozilla public 1.1": "MPL-1.1",
    "mozilla public 2.0": "MPL-2.0",
    "mpl 2": "MPL-2.0",
    "mpl 2.0": "MPL-2.0",
    "mpl2": "MPL-2.0",
    "new bsd": "BSD-3-Clause",
    "other proprietary": "LicenseRef-Proprietary",
    "proprietary": "LicenseRef-Proprietary",
    "psf": "PSF-2.0",
    "psf 2.0": "PSF-2.0",
    "psfl": "PSF-2.0",
    "public domain": "LicenseRef-Public-Domain",
    "python foundation": "PSF-2.0",
    "revised bsd": "BSD-3-Clause",
    "simplified bsd": "BSD-2-Clause",
    "unlicense": "Unlicense",
    "wtfpl": "WTFPL",
    "zlib": "Zlib",
    "zlib libpng": "Zlib",
}
"""Without the words that say nothing. `BSD` alone may be any of several; all of them are permissive."""
_RESTRICTIVE = (
    ("LGPL-", "MPL-", "EPL-", "CDDL-", "EUPL-", "CPL-"),
    ("GPL-",),
    ("AGPL-", "SSPL-", "OSL-", "RPL-"),
    ("BUSL-", "Elastic-", "PolyForm-", "CC-BY-NC", "LicenseRef-"),
)
"""Beginnings of names, what asks for more after what asks for less; any other name asks for less than these."""


def recognised(text: str) -> str | None:
    """The SPDX expression for what a package calls its licence; None where that can't be told."""
    text = text.strip()
    if not text or len(text) > _LONGEST or "\n" in text:
        return None
    try:
        return canonicalize_license_expression(text)
    except ValueError:
        long, _, short = text.removesuffix(")").partition(" (")
        return _named(long) or (recognised(short) if short else None)


def recognised_classifier(text: str) -> str | None:
    """The SPDX name for a classifier of PyPI, such as `License :: OSI Approved :: ISC License (ISCL)`."""
    return recognised(text.rpartition("::")[2])


def conditions(expression: str) -> tuple[Condition, ...]:
    """What an SPDX expression asks for, in its order.

    Raises:
        ValueError: it is none, or comes to too many conditions to be judged.
    """
    canonical = canonicalize_license_expression(expression[: _LONGEST + 1])
    tokens = list(reversed(re.findall(r"[()]|[^()\s]+", canonical)))
    return tuple(dict.fromkeys(_either(tokens)))


def permissive_first(condition: Condition) -> tuple[str, ...]:
    """The alternatives of a condition, those that ask for less first."""
    return tuple(sorted(condition, key=lambda name: (_rank(name), name)))


def _rank(name: str) -> int:
    ranks = (rank for rank, starts in enumerate(_RESTRICTIVE, start=1) if name.startswith(starts))
    return next(ranks, 0)


def _named(text: str) -> str | None:
    folded = " ".join(_NOISE.sub(" ", text.lower()).split())
    gnu = _GNU.fullmatch(folded)
    if gnu is None:
        return _SPELLINGS.get(folded)
    name = _GNU_NAMES[gnu["kind"][0]]
    if gnu["number"] is None:
        # Who names no version leaves the choice (GPL 2, section 9).
        return f"{name}-{'2.0' if name == 'LGPL' else '1.0'}-or-later"
    number = gnu["number"] if "." in gnu["number"] else f"{gnu['number']}.0"
    return f"{name}-{number}-{'or-later' if gnu['later'] else 'only'}"


def _either(tokens: list[str]) -> list[Condition]:
    found = _both(tokens)
    while tokens and tokens[-1] == "OR":
        tokens.pop()
        found = list(dict.fromkeys(one | other for other in _both(tokens) for one in found))
        if len(found) > _MOST_CONDITIONS:
            raise ValueError("it is too long to be judged")
    return found


def _both(tokens: list[str]) -> list[Condition]:
    found = _one(tokens)
    while tokens and tokens[-1] == "AND":
        tokens.pop()
        found += _one(tokens)
    return found


def _one(tokens: list[str]) -> list[Condition]:
    token = tokens.pop()
    if token == "(":
        found = _either(tokens)
        tokens.pop()
        return found
    if tokens and tokens[-1] == "WITH":
        tokens.pop()
        token = f"{token} WITH {tokens.pop()}"
    return [frozenset({token})]
