"""What earlier rollouts of a service showed: how far two versions differed that were both good.

A released canary and the stable beside it served the same requests and were alike as far as anybody found, so what
their counts differed by was noise. It stands in where a metrics server keeps no counts by replica, by which stable
could be held against itself. Rollouts that were turned back teach nothing: their difference may have been real.
"""

from collections.abc import Iterator
from itertools import pairwise

from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.history import History, learn
from shopkart_pipeline.domain.rollout import RolloutPhase
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.rollout_document import RolloutDocument
from shopkart_pipeline.services.rollout_reports import past_rollout

_RELEASES = 20
"""So many of the newest ones are looked through ..."""
_ROLLOUTS = 5
"""... for so many rollouts that went through."""


def history_of_rollouts(platform: Platform, service: str) -> History | None:
    """What the newest rollouts that went through to production showed; None where there are none."""
    documents = list(_released(platform, service))
    pairs = [after.growth_since(before) for document in documents for before, after in pairwise(document.looks)]
    if not pairs:
        return None
    return learn(pairs, documents[-1].looks[0].at, documents[0].looks[-1].at)


def _released(platform: Platform, service: str) -> Iterator[RolloutDocument]:
    """Newest first."""
    found = 0
    for release in platform.evidence.releases(service, limit=_RELEASES):
        try:
            document = past_rollout(platform, release)
        except NotFound:
            continue
        if document.state.phase is RolloutPhase.RELEASED and document.was_measured:
            yield document
            found += 1
        if found == _ROLLOUTS:
            return
