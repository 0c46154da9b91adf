"""What GitHub's events about code mean: pushes, pull requests, and groups of a merge queue.

A group of a merge queue is tried out like a pull request. It is made with its commit and never comes back once it was
destroyed, so the commit's time dates the one event, and the arrival, which is later, the other.
"""

import re
from typing import cast

from shopkart_pipeline.adapters._github_fields import (
    SHA,
    Payload,
    login_of,
    matching,
    number_in,
    object_in,
    repository_of,
    text_in,
    time_in,
    unreadable,
)
from shopkart_pipeline.ports.forge import Ignored, PullRequestEvent, Push
from shopkart_pipeline.ports.inbox import Delivery

_BRANCH = re.compile(r"refs/heads/\S{1,250}")
_BRANCH_NAME = re.compile(r"\S{1,250}")
_GROUP = re.compile(r"refs/heads/gh-readonly-queue/\S{1,250}/pr-(\d{1,9})-[0-9a-f]{40}")
_NOTHING = "0" * 40
_PROPOSING = frozenset({"opened", "reopened", "synchronize", "ready_for_review"})
"""Actions after which a head stands to be tried out. `edited` does the same where the base was changed."""
_GROUP_ACTIONS = frozenset({"checks_requested", "destroyed"})


def read_push(payload: Payload) -> Push | Ignored:
    ref = text_in(payload, "ref")
    if not _BRANCH.fullmatch(ref):
        return Ignored(f"{ref[:100]!r} is not a branch")
    sha = matching(payload, "after", SHA)
    if sha == _NOTHING:
        return Ignored(f"{ref} was deleted")
    before = matching(payload, "before", SHA)
    return Push(
        repository=repository_of(payload),
        branch=ref.removeprefix("refs/heads/"),
        sha=sha,
        previous_sha=None if before == _NOTHING else before,
        actor=login_of(payload, "sender"),
    )


def read_pull_request(payload: Payload) -> PullRequestEvent | Ignored:
    action = text_in(payload, "action")
    is_moved = action == "edited" and "base" in object_in(payload, "changes")
    if action not in _PROPOSING and action != "closed" and not is_moved:
        return Ignored(f"a pull request that was {action[:40]!r} asks for nothing")
    pull_request = object_in(payload, "pull_request")
    base, head = object_in(pull_request, "base"), object_in(pull_request, "head")
    repository, is_merged = repository_of(payload), pull_request.get("merged") is True
    merge_sha = pull_request.get("merge_commit_sha")
    return PullRequestEvent(
        repository=repository,
        number=number_in(payload, "number"),
        branch=matching(base, "ref", _BRANCH_NAME),
        base_sha=matching(base, "sha", SHA),
        sha=matching(head, "sha", SHA),
        from_fork=_is_elsewhere(head, repository),
        is_open=action != "closed" and pull_request.get("state") != "closed",
        is_merged=is_merged,
        updated_at=time_in(pull_request, "updated_at"),
        actor=login_of(payload, "sender"),
        # While it is open, this is a merge that GitHub made to try it.
        merge_sha=merge_sha if is_merged and isinstance(merge_sha, str) and SHA.fullmatch(merge_sha) else None,
    )


def read_merge_group(delivery: Delivery, payload: Payload) -> PullRequestEvent | Ignored:
    action = text_in(payload, "action")
    if action not in _GROUP_ACTIONS:
        return Ignored(f"a merge group that was {action[:40]!r} asks for nothing")
    group, is_open = object_in(payload, "merge_group"), action == "checks_requested"
    ref = text_in(group, "head_ref")
    named = _GROUP.fullmatch(ref)
    if named is None:
        raise unreadable("`head_ref` is not that of a merge queue")
    return PullRequestEvent(
        repository=repository_of(payload),
        number=int(named[1]),
        branch=matching(group, "base_ref", _BRANCH).removeprefix("refs/heads/"),
        base_sha=matching(group, "base_sha", SHA),
        sha=matching(group, "head_sha", SHA),
        from_fork=False,
        is_open=is_open,
        is_merged=payload.get("reason") == "merged" and not is_open,
        updated_at=time_in(object_in(group, "head_commit"), "timestamp") if is_open else delivery.received_at,
        actor=login_of(payload, "sender"),
        merge_group=ref,
    )


def _is_elsewhere(head: Payload, repository: str) -> bool:
    """Whether the head is not for certain in our own repository. A fork that was deleted is null; where it says
    nothing else, it is a stranger's."""
    home = head.get("repo")
    return not isinstance(home, dict) or cast("Payload", home).get("full_name") != repository
