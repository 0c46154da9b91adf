"""What pages have people type: commands in blocks of `console`, each with the output that is shown below it.

In a block whose commands begin with `$ ` everything else is output; in one without, every line is a command. A line
that ends with a backslash, or leaves a quote open, goes on in the next one. `…` in an output stands for what varies.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "deploy" / "proxy" / "README.md")
_BLOCK = re.compile(r"^( *)```console\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"\s+# .*$")


@dataclass(frozen=True)
class Typed:
    """A command, without its comment, and the lines that are shown as its output."""

    command: str
    shown: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        return re.match(r"(?:[A-Z_]+=\S* )*(?:\./)?shopkart\b", self.command) is not None


def typed_on(page: Path) -> tuple[Typed, ...]:
    """Every command of a page, in its order."""
    text = page.read_text(encoding="utf-8")
    return tuple(typed for indent, block in _BLOCK.findall(text) for typed in _typed_in(block, len(indent)))


def matches(shown: tuple[str, ...], said: str) -> bool:
    """Whether an output is what a page shows; spaces at the ends of lines don't count."""
    said_lines = "\n".join(line.rstrip() for line in said.strip("\n").splitlines())
    pattern = "\n".join(".*".join(re.escape(part) for part in line.rstrip().split("…")) for line in shown)
    return re.fullmatch(pattern.replace("\n.*\n", "\n(?s:.*)\n"), said_lines) is not None


def _typed_in(block: str, indent: int) -> Iterator[Typed]:
    lines = [line[indent:].rstrip() for line in block.splitlines()]
    has_output = any(line.startswith("$ ") for line in lines)
    command, shown = "", list[str]()
    is_open = False
    for line in lines:
        if is_open:
            command, is_open = _joined(command, line)
        elif line.startswith("$ ") or (line and not has_output):
            if command:
                yield _told(command, shown)
            command, is_open = _joined("", line.removeprefix("$ "))
            shown = []
        else:
            shown.append(line)
    if command:
        yield _told(command, shown)


def _joined(before: str, line: str) -> tuple[str, bool]:
    """What is typed so far, and whether it goes on in the next line."""
    if line.endswith("\\"):
        return before + line[:-1].rstrip() + " ", True
    whole = before + line.lstrip() if before.endswith(" ") else "\n".join(filter(None, (before, line)))
    here = re.search(r"<<(\w+)", whole)
    waits = here is not None and not whole.endswith(f"\n{here[1]}")
    return whole, waits or not _is_closed(_COMMENT.sub("", whole))


def _is_closed(command: str) -> bool:
    """Whether every quote that was opened is closed."""
    try:
        shlex.split(command)
    except ValueError:
        return False
    return True


def _told(command: str, shown: list[str]) -> Typed:
    while shown and not shown[-1]:
        shown.pop()
    return Typed(_COMMENT.sub("", command).strip() if "\n" not in command else command, tuple(shown))
