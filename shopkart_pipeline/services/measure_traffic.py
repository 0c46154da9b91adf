"""One look at what canary and stable answer: requests always, events and latency where they are declared.

Looks begin when the canary first has traffic. At the first one, what stable showed against itself before is asked for
once, and kept, so that a rollout is judged by one and the same knowledge from its beginning to its end; where nobody
knows, what earlier rollouts showed (`past_rollouts`) stays in the document.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shopkart_pipeline.domain.analysis import Analysis
from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.history import History
from shopkart_pipeline.domain.judge_policy import EventRule
from shopkart_pipeline.domain.rollout import RolloutPhase
from shopkart_pipeline.domain.traffic import LATENCY, MetricsMissing, TrafficSample
from shopkart_pipeline.services.platform import Site
from shopkart_pipeline.services.rollout_document import RolloutDocument, with_look

_MEASURED = frozenset({RolloutPhase.BAKING, RolloutPhase.PROMOTING})
_HISTORY = timedelta(hours=1)


def measure(
    site: Site, deployment: Deployment, service: str, document: RolloutDocument, now: datetime
) -> RolloutDocument:
    """The document after one more look, while there is something to look at.

    Args:
        site: the environment's telemetry.
        deployment: which streams are declared.
        service: name of the service.
        document: of the rollout.
        now: the time.
    """
    if document.state.phase not in _MEASURED or document.exposed_at is None:
        return document
    if not document.looks and not document.failed_looks:
        document = replace(document, history=_history(site, deployment, service, now) or document.history)
    since = document.exposed_at
    look = site.metrics.traffic(deployment.environment, service, now, since)
    if isinstance(look, MetricsMissing):
        return with_look(document, look)
    rules = deployment.analysis.events
    events: Mapping[str, tuple[int, int]] | MetricsMissing = {}
    if rules:
        events = site.metrics.events(deployment.environment, service, now, rules, since)
    if not isinstance(events, MetricsMissing):
        look = _with_events(look, events)
    return with_look(document, _watched(look, deployment.analysis))


def _history(site: Site, deployment: Deployment, service: str, now: datetime) -> History | None:
    """Stable against itself in the last hour; None where nobody knows."""
    rules: Sequence[EventRule] = deployment.analysis.events
    found = site.metrics.history(deployment.environment, service, now - _HISTORY, now, rules)
    return None if isinstance(found, MetricsMissing) else found


def _with_events(look: TrafficSample, events: Mapping[str, tuple[int, int]]) -> TrafficSample:
    canary = {name: counts[0] for name, counts in events.items()}
    stable = {name: counts[1] for name, counts in events.items()}
    return replace(look, canary=replace(look.canary, events=canary), stable=replace(look.stable, events=stable))


def _watched(look: TrafficSample, analysis: Analysis) -> TrafficSample:
    """The look without what nobody declared: it is saved at every tick."""
    streams = {rule.name for rule in analysis.events} | ({LATENCY} if analysis.latency else set[str]())
    return replace(look, canary=look.canary.only(frozenset(streams)), stable=look.stable.only(frozenset(streams)))
