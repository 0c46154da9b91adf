"""What the webhooks did not tell: branch heads that never became a release.

GitHub does not deliver again by itself, so a delivery that was lost is made up for by looking. What is found goes into
the inbox as the push that was missed, under an id that follows from the commit; should the real one still come, both
name the same release and the same run.
"""

import json
from collections.abc import Sequence, Set

from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.release import is_proposed
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.affected_services import NOT_AFFECTED
from shopkart_pipeline.services.platform import Platform

_LOOKED_AT = 50
"""Newest releases of each service among which a branch's head is looked for."""


def reconcile_sources(platform: Platform) -> tuple[str, ...]:
    """Put missed pushes into the inbox; returns what was found, in words. A remote that does not answer is named."""
    branches: dict[tuple[str, str], list[Service]] = {}
    for service in platform.pipeline.services.values():
        branches.setdefault((service.source.repository, service.source.branch), []).append(service)
    notes = platform.evidence.newest_notes(NOT_AFFECTED, limit=1000)
    looked_at = {str(note.data["commit"]) for note in notes if not is_proposed(note.release_key)}
    return tuple(found for services in branches.values() if (found := _reconcile(platform, services, looked_at)))


def _reconcile(platform: Platform, services: Sequence[Service], looked_at: Set[str]) -> str:
    """Look at one branch, from which all these services are released; `looked_at` holds commits that affected none."""
    source = services[0].source
    branch = f"{source.repository} {source.branch}"
    try:
        head = platform.scm.head(source)
    except ToolUnavailable as error:
        return f"{branch} could not be asked: {error.what}"
    newest = [release for service in services for release in platform.evidence.releases(service.name, _LOOKED_AT)]
    known = sorted(
        (
            each
            for each in newest
            if (each.repository, each.branch, each.pull_request) == (source.repository, source.branch, None)
        ),
        key=lambda release: release.received_at,
    )
    if not known or head in looked_at or any(head == release.sha for release in known):
        # A branch that nothing was ever released from is taken up by its first push, not by looking.
        return ""
    body = {
        "ref": f"refs/heads/{source.branch}",
        "before": known[-1].sha,
        "after": head,
        "repository": {"full_name": source.repository},
        "sender": {"login": "reconciliation"},
    }
    delivery = Delivery(f"reconciled-{head}", "push", platform.clock.now(), json.dumps(body).encode())
    return f"{branch} stands at {head[:12]}, which no webhook told" if platform.inbox.put(delivery) else ""
