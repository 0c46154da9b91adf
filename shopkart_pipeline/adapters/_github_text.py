"""Texts within GitHub's limits; a text that is cut says so by its end.

Source: GitHub's REST API: a check run's summary 65,535 characters, an annotation's title 255 and message 64 KB, the
description of a status or a deployment's status 140, a comment 65,536. Bytes are counted, which is never too lenient.
"""

from shopkart_pipeline.domain.plain_text import plain

SUMMARY_BYTES = 65_535
COMMENT_BYTES = 65_535
MESSAGE_BYTES = 64_000
TITLE_CHARACTERS = 255
DESCRIPTION_CHARACTERS = 140
_MORE = "\n\n…"


def block(text: str, limit_bytes: int) -> str:
    """Markdown of several lines; what no text can hold becomes a question mark or U+FFFD."""
    content = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace")
    if len(content) > limit_bytes:
        content = content[: limit_bytes - len(_MORE.encode())].decode(errors="ignore").encode() + _MORE.encode()
    return content.decode()


def line(text: str, limit_characters: int) -> str:
    """One line of plain text."""
    text = plain(text)
    return text if len(text) <= limit_characters else text[: limit_characters - 1] + "…"
