"""Placeholders such as `{home}` in declared text: which are known where, and what they stand for."""

import re
from collections.abc import Iterable, Mapping

from shopkart_pipeline.spec.faults import nearest

_PLACEHOLDER = re.compile(r"\{([a-z_]+(?::[^{}\s]*)?)\}")


def placeholders(text: str) -> list[str]:
    """Names of the placeholders in a text, without braces; other braces, as in JSON, are plain text."""
    return _PLACEHOLDER.findall(text)


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with the placeholders that have a value filled in, once: what is filled in is not looked at again."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text) if "{" in text else text


def unknown_placeholder(text: str, known: Iterable[str]) -> str | None:
    """What is wrong with the first placeholder that is not known here; None if all are."""
    names = list(known)
    for name in placeholders(text) if "{" in text else ():
        if name not in names:
            return f"{{{name}}} is not known here; {nearest(name, names)}"
    return None
