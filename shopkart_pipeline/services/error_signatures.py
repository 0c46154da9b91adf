"""What a release that is turned back wrote into its logs, by kind.

It is looked up while its replicas are still there, as a platform may keep no log of those that are gone, and only after
the traffic has been shifted back and stable told to be what it was: nobody waits for it.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime

from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.incident import ErrorSignature
from shopkart_pipeline.domain.rollout import Action, RolloutPhase
from shopkart_pipeline.ports.telemetry import LogLine, LogsMissing
from shopkart_pipeline.services.platform import Site
from shopkart_pipeline.services.rollout_document import RolloutDocument

LOG_LINES = 2000
_MOST = 10
_LONGEST = 300
_NOW = frozenset({Action.HOLD, Action.REMOVE_CANARY, Action.REMOVE_STABLE})


def signatures_of(lines: tuple[LogLine, ...]) -> tuple[ErrorSignature, ...]:
    """Error lines clustered by kind and version, the most frequent first."""
    counts = Counter((line.signature or line.message, line.release_key) for line in lines)
    examples = {(line.signature or line.message, line.release_key): line.message for line in reversed(lines)}
    return tuple(
        ErrorSignature(signature, count, examples[signature, release_key], release_key)
        for (signature, release_key), count in counts.most_common(_MOST)
    )


def with_last_words(
    site: Site,
    deployment: Deployment,
    service: str,
    document: RolloutDocument,
    action: Action,
    now: datetime,
) -> RolloutDocument:
    """The document of a rollout that is being turned back, with the errors of what is about to leave, if this action
    leaves time for that and they were not looked up yet."""
    if document.state.phase is not RolloutPhase.ROLLING_BACK or action not in _NOW or document.last_words is not None:
        return document
    since = document.exposed_at or document.started_at
    lines = site.logs.errors(deployment.environment, service, since, now, LOG_LINES)
    found = () if isinstance(lines, LogsMissing) else signatures_of(lines)
    return replace(document, last_words=tuple(map(_short, found)))


def _short(signature: ErrorSignature) -> ErrorSignature:
    return replace(signature, signature=signature.signature[:_LONGEST], example=signature.example[:_LONGEST])
