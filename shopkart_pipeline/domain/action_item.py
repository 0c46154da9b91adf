"""Action items of a postmortem, as they stand in its Markdown: one line with a box for each.

A line such as `- [ ] Test that carts of both versions are read (owner: team:storefront, due: 2025-04-01)` is one. What
is still in *italics* was drafted and not completed by anybody, and neither was a page in which a drafted question
still stands. A postmortem without any action item is not complete: a person who found that nothing is to be done says
so in an item that is done.
"""

import re
from dataclasses import dataclass

_HEADING = re.compile(r"^#{1,6}\s+(?P<title>.+?)\s*$")
_ITEM = re.compile(r"^\s*[-*+]\s+\[(?P<box>[ xX])\]\s+(?P<words>.+?)\s*$")
_OWNER = re.compile(r"\bowner:\s*(?P<owner>[^,;)\s][^,;)]*)")
_QUESTION = re.compile(r"^(?:Cause: |- )?(?P<question>\*[^*]+\?\*)\s*$")
_SECTION = "action items"


@dataclass(frozen=True)
class ActionItem:
    """One thing that is to be done so that it does not happen again."""

    words: str
    done: bool
    owner: str
    """Empty: nobody was named."""

    @property
    def is_draft(self) -> bool:
        """Whether it is as it was drafted."""
        return self.words.startswith("*")


def action_items(markdown: str) -> tuple[ActionItem, ...]:
    """The items below the heading for them, in their order."""
    found, inside = list[ActionItem](), False
    for line in markdown.splitlines():
        heading = _HEADING.match(line)
        if heading is not None:
            inside = heading["title"].casefold() == _SECTION
            continue
        item = _ITEM.match(line) if inside else None
        if item is not None:
            owner = _OWNER.search(item["words"])
            words = item["words"].partition(" (owner:")[0]
            found.append(ActionItem(words, item["box"] != " ", owner["owner"].strip() if owner else ""))
    return tuple(found)


def what_is_open(markdown: str) -> tuple[str, ...]:
    """What keeps a postmortem from being done, one line each; empty: all is done."""
    items = action_items(markdown)
    if not items:
        return ("it has no action items",)
    questions = filter(None, map(_QUESTION.match, markdown.splitlines()))
    lines = [f"nobody has answered {each['question']}" for each in questions]
    for item in items:
        if item.is_draft:
            lines.append(f"nobody has completed {item.words}")
        elif not item.done:
            lines.append(f"{item.words} is open" + ("" if item.owner else " and has no owner"))
    return tuple(lines)
