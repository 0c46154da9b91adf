"""Lines of a log as they may be shown: cut short, and without what looks like a secret."""

import re

from shopkart_pipeline.domain.plain_text import plain

_LONGEST_LINE = 200
_SECRET = re.compile(
    r"(?i)\b([\w-]*(?:passw(?:or)?d|secret|token|api[_-]?key|authorization)[\w-]*[\"']?\s*[=:]\s*)\S.*"
)
_USER = re.compile(r"(\w+://)[^\s/@]+@")


def shown(line: str) -> str:
    """A line of a log as it may be shown."""
    return _USER.sub(r"\1", _SECRET.sub(r"\1[redacted]", plain(line)))[:_LONGEST_LINE]
