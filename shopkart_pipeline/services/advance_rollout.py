"""One tick of a rollout: observe, measure, decide, act once, save.

The effect comes before the save: a worker that dies between the two has its successor decide the same again, and
every effect may be repeated.
"""

from dataclasses import replace
from datetime import datetime

from shopkart_pipeline.domain.declaration import Analysis, Deployment
from shopkart_pipeline.domain.judge import Judgement, JudgePolicy, judge
from shopkart_pipeline.domain.rollout import Action, Decision, RolloutPhase, next_action
from shopkart_pipeline.domain.workload import Track, WorkloadSpec
from shopkart_pipeline.services.platform import Site
from shopkart_pipeline.services.rollout_document import MAXIMUM_SAMPLES, RolloutDocument, dump

_MEASURED = frozenset({RolloutPhase.BAKING, RolloutPhase.PROMOTING})


def advance(
    site: Site, deployment: Deployment, service: str, document: RolloutDocument, now: datetime
) -> tuple[Decision, Judgement, RolloutDocument]:
    """Do the next thing of a rollout, and return what was done and the new document.

    Args:
        site: the environment's cluster and telemetry.
        deployment: how the service is declared for the environment.
        service: name of the service.
        document: what was saved last.
        now: the time.
    """
    observed = site.cluster.observe(deployment.environment, service)
    document = _measure(site, deployment.environment, service, document, now)
    judgement = judge(document.samples, _policy(deployment.analysis), document.state.phase_since)
    decision = next_action(document.state, observed, judgement, now)
    _act(site, deployment, service, document, decision)
    after = _remember(document, decision, observed.canary_weight_percent, now)
    if after != document or decision.action is not Action.HOLD:
        site.cluster.save_rollout(deployment.environment, service, dump(after))
    return decision, judgement, after


def _measure(site: Site, environment: str, service: str, document: RolloutDocument, now: datetime) -> RolloutDocument:
    if document.state.phase not in _MEASURED or document.exposed_at is None:
        return document
    sample = site.metrics.traffic(environment, service, now)
    return replace(document, samples=(*document.samples, sample)[-MAXIMUM_SAMPLES:])


def _act(site: Site, deployment: Deployment, service: str, document: RolloutDocument, decision: Decision) -> None:
    cluster, environment = site.cluster, deployment.environment
    match decision.action:
        case Action.DEPLOY_CANARY:
            cluster.apply(environment, service, Track.CANARY, _canary(document.wanted, deployment))
        case Action.SET_WEIGHT:
            cluster.set_weight(environment, service, decision.weight_percent)
        case Action.UPDATE_STABLE:
            cluster.apply(environment, service, Track.STABLE, document.wanted)
        case Action.RESTORE_STABLE:
            if document.previous is not None:
                cluster.apply(environment, service, Track.STABLE, document.previous)
        case Action.REMOVE_CANARY:
            cluster.remove(environment, service, Track.CANARY)
        case Action.REMOVE_STABLE:
            cluster.remove(environment, service, Track.STABLE)
        case Action.HOLD | Action.FINISH:
            pass


def _canary(wanted: WorkloadSpec, deployment: Deployment) -> WorkloadSpec:
    """As many canary replicas as its largest share of the traffic needs, rounded up."""
    largest = max(step.weight_percent for step in deployment.steps)
    return replace(wanted, replicas=max(1, -(-wanted.replicas * largest // 100)))


def _remember(document: RolloutDocument, decision: Decision, weight_percent: int, now: datetime) -> RolloutDocument:
    after = replace(document, state=decision.state)
    exposed = decision.action is Action.SET_WEIGHT and decision.weight_percent > 0
    if exposed and document.exposed_at is None:
        after = replace(after, exposed_at=now)
    turned = decision.state.phase is RolloutPhase.ROLLING_BACK
    if turned and document.detected_at is None:
        after = replace(after, detected_at=now)
    if turned and document.shifted_back_at is None and decision.action is Action.SET_WEIGHT:
        after = replace(after, shifted_back_at=now)
    return after


def _policy(analysis: Analysis) -> JudgePolicy:
    return JudgePolicy(
        minimum_effect=analysis.minimum_effect,
        false_abort_probability=analysis.false_abort_probability,
        floor_error_ratio=analysis.floor_error_ratio,
        floor_minimum_requests=analysis.floor_minimum_requests,
        minimum_canary_requests=analysis.minimum_canary_requests,
    )
