"""Lines of a log as they may be shown: cut short, and without what looks like a secret."""

import re

from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.domain.secret_shapes import without_secrets

_LONGEST_LINE = 200
_SECRET = re.compile(
    r"(?i)\b([\w-]*(?:passw(?:or)?d|secret|token|api[_-]?key|authorization)[\w-]*[\"']?\s*[=:]\s*)\S.*"
)


def shown(line: str) -> str:
    """A line of a log as it may be shown."""
    return without_secrets(_SECRET.sub(r"\1[redacted]", plain(line)))[:_LONGEST_LINE]
