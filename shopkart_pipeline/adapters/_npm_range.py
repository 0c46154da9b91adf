"""Ranges as npm's advisories write them: comparators that all have to hold, alternatives separated by `||`.

Other notations of npm (`^`, `~`, `x`, hyphens) do not occur there. A range that can't be read holds every version.
"""

import re
from collections.abc import Callable

from shopkart_pipeline.adapters._semver import Semver, parse_semver

_COMPARATOR = re.compile(r"(<=|>=|<|>|=|)\s*([^\s<>=]+)")
_HOLDS: dict[str, Callable[[Semver, Semver], bool]] = {
    "<": lambda version, bound: version < bound,
    "<=": lambda version, bound: version <= bound,
    ">": lambda version, bound: version > bound,
    ">=": lambda version, bound: version >= bound,
    "=": lambda version, bound: version == bound,
    "": lambda version, bound: version == bound,
}
_Comparators = list[tuple[str, Semver]]


def holds(text: str, version: Semver) -> bool:
    """Whether a version is in the range."""
    return _alternative(text, version) is not None


def is_range(text: str) -> bool:
    """Whether all of a text can be read as a range."""
    try:
        return all(
            _COMPARATOR.sub("", alternative).strip() == "" and _comparators(alternative)
            for alternative in text.split("||")
        )
    except ValueError:
        return False


def first_after(text: str, version: Semver) -> str | None:
    """The first version after the range, or after the alternative of it that holds this version; in words where the
    range tells its last version alone, None where it has no end."""
    for sign, bound in _alternative(text, version) or ():
        if sign == "<":
            return str(bound)
        if sign in ("<=", "=", ""):
            return f"after {bound}"
    return None


def _alternative(text: str, version: Semver) -> _Comparators | None:
    """The comparators of the alternative that holds the version; none of them where that can't be read."""
    for alternative in text.split("||"):
        try:
            comparators = _comparators(alternative)
        except ValueError:
            return []
        if all(_HOLDS[sign](version, bound) for sign, bound in comparators):
            return comparators
    return None


def _comparators(text: str) -> _Comparators:
    found = _COMPARATOR.findall(text.strip())
    return [(sign, parse_semver(bound)) for sign, bound in found if bound != "*"]
