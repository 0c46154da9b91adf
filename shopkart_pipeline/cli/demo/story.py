"""The four changes of the story, as `examples/story/story.yaml` tells them."""

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

STORY = Path(__file__).resolve().parents[3] / "examples" / "story"
STOREFRONT = STORY.parent / "storefront"


@dataclass(frozen=True)
class Change:
    """One pull request."""

    number: int
    title: str
    message: str
    branch: str
    author_name: str
    author_email: str
    reviewer: str
    diff: Path
    expected: str
    """`released`, `stopped` or `rolled_back`."""
    reverts: int | None
    """Number of the pull request that it takes back first."""


def read_story() -> tuple[Change, ...]:
    """The changes, in order."""
    document: Mapping[str, Any] = yaml.safe_load((STORY / "story.yaml").read_text())
    return tuple(_change(entry) for entry in document["changes"])


def _change(entry: Mapping[str, Any]) -> Change:
    return Change(
        number=entry["pull_request"],
        title=entry["title"],
        message=entry["message"],
        branch=entry["branch"],
        author_name=entry["author"]["name"],
        author_email=entry["author"]["email"],
        reviewer=entry["reviewer"],
        diff=STORY / entry["diff"],
        expected=entry["expected"],
        reverts=entry.get("reverts"),
    )


def planted_secrets() -> dict[str, str]:
    """Credentials of the right form, made up anew each time: none is ever stored in this repository."""
    upper, any_case = string.ascii_uppercase + string.digits, string.ascii_letters + string.digits
    return {
        "@PLANTED_ACCESS_KEY@": "AKIA" + "".join(secrets.choice(upper) for _ in range(16)),
        "@PLANTED_SECRET_KEY@": "".join(secrets.choice(any_case) for _ in range(40)),
    }
