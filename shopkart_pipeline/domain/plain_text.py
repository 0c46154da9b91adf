"""Words of tools as they may be shown: on one line, without what changes a terminal or the order of reading.

Tools repeat file names, titles and messages from the code that they look at, so whoever wrote that code chooses them.
Line breaks and tabs become spaces, colours are taken out. Other control characters, marks that turn the direction of
writing, and halves of characters, which no file or store can hold, become U+FFFD. Where a page is Markdown, such words
are no tag of HTML, no link and no picture; what they emphasise does no harm.
"""

import re

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_WHITE_SPACE = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """The text as it may be shown; text that is harmless already comes back as it is."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", _WHITE_SPACE.sub(" ", _COLOUR.sub("", text)))


def in_markdown(text: str) -> str:
    """The text as it may stand in a page of Markdown: within its line, and readable as it is written."""
    return _TAG.sub("&lt;", plain(text)).replace("](", "]\\(")
