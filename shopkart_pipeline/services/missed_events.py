"""Events that should have been told, made up from what is found: the same body as the forge's, under an id that follows
from what happened. Should the real one still come, both name the same release and the same run."""

import json
from datetime import datetime
from typing import Any

from shopkart_pipeline.domain.code_review import ProposedChange
from shopkart_pipeline.domain.declaration import Source
from shopkart_pipeline.ports.inbox import Delivery

RECONCILIATION = "reconciliation"
"""Who did it, where that was not found out."""


def missed_push(source: Source, before: str, after: str, now: datetime) -> Delivery:
    """The push of a commit to a branch that stood at another one before."""
    body = {
        "ref": f"refs/heads/{source.branch}",
        "before": before,
        "after": after,
        "repository": {"full_name": source.repository},
        "sender": {"login": RECONCILIATION},
    }
    return Delivery(f"reconciled-{after}", "push", now, json.dumps(body).encode())


def missed_pull_request(change: ProposedChange, now: datetime) -> Delivery:
    """What a pull request came to be."""
    body: dict[str, Any] = {
        "action": "synchronize" if change.is_open else "closed",
        "number": change.number,
        "pull_request": {
            "number": change.number,
            "title": change.title,
            "html_url": change.url,
            "state": "open" if change.is_open else "closed",
            "merged": change.merged_at is not None,
            "merge_commit_sha": change.merge_sha,
            "updated_at": change.updated_at.isoformat(),
            "user": {"login": change.login},
            "base": {"ref": change.branch, "sha": change.base_sha, "repo": {"full_name": change.repository}},
            # The name of a fork is not known here, and a head without a repository is taken for a stranger's.
            "head": {"sha": change.sha, "repo": None if change.from_fork else {"full_name": change.repository}},
        },
        "repository": {"full_name": change.repository},
        "sender": {"login": change.login if change.is_open else RECONCILIATION},
    }
    name = f"{change.repository}#{change.number}"
    identity = f"reconciled-{name}-{change.sha[:12]}-{body['action']}-{change.updated_at.isoformat()}"
    return Delivery(identity, "pull_request", now, json.dumps(body).encode())
