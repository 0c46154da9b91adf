"""Which rules the embedded quality analysis applies, the same for every service, whatever its own linter says.

Likely bugs (F, B, ASYNC, DTZ, PLE, PLW, E9), complexity (C901, PLR09) and security (S), as ruff names them. Tests
are not judged by complexity and security. A `noqa` that names the rule is honoured.

A security hotspot is code that is right or wrong by its context, so that a person has to look. It is reviewed when its
line says who or why after naming the rule, in at least three words: `# noqa: S603 - the arguments are fixed`.
"""

import re

HOTSPOTS = frozenset(
    {"S104", "S105", "S106", "S107", "S108", "S301", "S310", "S311", "S324", "S602", "S603", "S604", "S606", "S607"}
)

_MAXIMUM_COMPLEXITY = 15
_RULES = "E9,F,B,C901,ASYNC,DTZ,PLC0206,PLE,PLW,PLR0124,PLR0133,PLR0911,PLR0912,PLR0913,PLR0915,PLR1704,S,TRY203"
_IGNORED = "PLW0603,PLW2901"
_TEST_EXEMPTIONS = ("S", "C901", "PLR09", "PLW")
_TEST_PATTERNS = ("**/test/**", "**/tests/**", "**/test_*.py", "**/conftest.py")
_FOR_TESTS = ",".join(f"{pattern}:{rule}" for pattern in _TEST_PATTERNS for rule in _TEST_EXEMPTIONS)
_HOTSPOT_NAMES = ",".join(sorted(HOTSPOTS))

VIOLATION_OPTIONS = (
    "--isolated",
    f"--select={_RULES}",
    f"--ignore={_IGNORED},{_HOTSPOT_NAMES}",
    f"--per-file-ignores={_FOR_TESTS}",
    f"--config=lint.mccabe.max-complexity={_MAXIMUM_COMPLEXITY}",
)
HOTSPOT_OPTIONS = ("--isolated", "--ignore-noqa", f"--select={_HOTSPOT_NAMES}", f"--per-file-ignores={_FOR_TESTS}")
DESCRIPTION = (
    f"{_RULES} without {_IGNORED}; cyclomatic complexity at most {_MAXIMUM_COMPLEXITY}; hotspots {_HOTSPOT_NAMES}"
)

_REMARK = re.compile(r"#\s*noqa:(?P<codes>(?:[\s,]*[A-Z]+\d+)+)(?P<reason>.*)")
_WORD = re.compile(r"[^\W\d_]{2,}")
_REASON_WORDS = 3


def is_reviewed(rule: str, line: str) -> bool:
    """Whether a line says that somebody has looked at this hotspot, and why it is right."""
    remark = _REMARK.search(line)
    if remark is None or rule not in re.findall(r"[A-Z]+\d+", remark["codes"]):
        return False
    return len(_WORD.findall(remark["reason"])) >= _REASON_WORDS
