"""Action items are read from the Markdown that people write, and what they left as it was drafted is not done."""

import pytest

from shopkart_pipeline.domain.action_item import action_items, what_is_open

PAGE = """# Postmortem: backend

- [ ] this box is not below the heading

## Action items

- [x] Test that carts of both versions are read (owner: team:storefront, due: 2025-04-01)
* [ ] Canary for carts (owner: ana@shopkart.example; due: soon)
- [ ] Nobody's
not an item

### Links
- [ ] not one either
"""


def test_items_have_a_box_and_an_owner() -> None:
    assert [(item.words, item.done, item.owner) for item in action_items(PAGE)] == [
        ("Test that carts of both versions are read", True, "team:storefront"),
        ("Canary for carts", False, "ana@shopkart.example"),
        ("Nobody's", False, ""),
    ]


def test_what_is_open_is_said_line_by_line() -> None:
    assert what_is_open(PAGE) == ("Canary for carts is open", "Nobody's is open and has no owner")


def test_a_draft_is_open_whatever_its_boxes_say() -> None:
    page = "## Action items\n- [x] *A test that would have stopped this* (owner: , due: )\n"

    assert what_is_open(page) == ("nobody has completed *A test that would have stopped this*",)


def test_all_done_leaves_nothing_open() -> None:
    assert what_is_open("## ACTION ITEMS\n- [X] Test (owner: team:shop)\n") == ()


@pytest.mark.parametrize("page", ["", "## Action items\n", "## Actions\n- [x] done\n"])
def test_without_items_it_is_not_complete(page: str) -> None:
    assert what_is_open(page) == ("it has no action items",)


def test_a_drafted_question_that_nobody_answered_is_open() -> None:
    done = "## Action items\n- [x] Test (owner: team:shop)\n"

    assert what_is_open(f"Cause: *What was the cause?*\n{done}") == ("nobody has answered *What was the cause?*",)
    assert what_is_open(f"Cause: *two* versions of one format, *weren't* they?\n{done}") == ()
