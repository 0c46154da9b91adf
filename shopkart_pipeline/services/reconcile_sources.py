"""What the webhooks did not tell: branch heads that never became a release.

GitHub does not deliver again by itself, so a delivery that was lost is made up for by looking. What is found goes into
the inbox as the push that was missed, under an id that follows from the commit; should the real one still come, both
name the same release and the same run.
"""

import json

from shopkart_pipeline.domain.declaration import Source
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.release import is_proposed
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.affected_services import NOT_AFFECTED
from shopkart_pipeline.services.platform import Platform


def reconcile_sources(platform: Platform) -> tuple[str, ...]:
    """Put missed pushes into the inbox; returns what was found, in words. A remote that does not answer is named."""
    branches = {
        (service.source.repository, service.source.branch): service.source
        for service in platform.pipeline.services.values()
    }
    return tuple(found for source in branches.values() if (found := _reconcile(platform, source)))


def _reconcile(platform: Platform, source: Source) -> str:
    branch = f"{source.repository} {source.branch}"
    try:
        head = platform.scm.head(source)
    except ToolUnavailable as error:
        return f"{branch} could not be asked: {error.what}"
    known = [
        release.sha
        for release in platform.evidence.releases(limit=1000)
        if (release.repository, release.branch, release.pull_request) == (source.repository, source.branch, None)
    ]
    notes = platform.evidence.newest_notes(NOT_AFFECTED, limit=1000)
    looked_at = {note.data["commit"] for note in notes if not is_proposed(note.release_key)}
    if not known or head in known or head in looked_at:
        # A branch that nothing was ever released from is taken up by its first push, not by looking.
        return ""
    body = {
        "ref": f"refs/heads/{source.branch}",
        "before": known[0],
        "after": head,
        "repository": {"full_name": source.repository},
        "sender": {"login": "reconciliation"},
    }
    delivery = Delivery(f"reconciled-{head}", "push", platform.clock.now(), json.dumps(body).encode())
    return f"{branch} stands at {head[:12]}, which no webhook told" if platform.inbox.put(delivery) else ""
