"""One tick of a rollout: observe, measure, decide, act once, save.

The effect comes before the save: a worker that dies between the two has its successor decide the same again, and
every effect may be repeated. Turning back is saved before as well: what was measured may not be seen a second time,
and a successor that does not know of it would send people to the bad version again.
"""

from dataclasses import replace
from datetime import datetime

from shopkart_pipeline.domain.analysis import Analysis
from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.drift import by_hand_line, keeping_scale, scale_line
from shopkart_pipeline.domain.judge import Judgement, judge
from shopkart_pipeline.domain.next_action import next_action
from shopkart_pipeline.domain.rollout import Action, Decision, RolloutPhase, RolloutPlan
from shopkart_pipeline.domain.workload import ServiceStatus, Track, WorkloadSpec
from shopkart_pipeline.services.error_signatures import with_last_words
from shopkart_pipeline.services.measure_traffic import measure
from shopkart_pipeline.services.platform import Site
from shopkart_pipeline.services.rollout_document import Mark, RolloutDocument, dump, with_drift, with_mark

_TURNED = frozenset({RolloutPhase.ROLLING_BACK, RolloutPhase.ROLLED_BACK})


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
    document = measure(site, deployment, service, document, now)
    judgement = judge_document(document, deployment.analysis)
    decision = next_action(document.state, observed, judgement, now)
    after = _remember(document, decision, observed, now)
    if observed.stable is not None:
        after = with_drift(after, scale_line(observed.stable.spec, document.wanted_replicas))
        after = with_drift(after, by_hand_line(observed.stable))
    after = replace(with_mark(after, _mark(decision, judgement, now)), policy=deployment.analysis.policy)
    if document.state.phase is RolloutPhase.ROLLING_BACK and observed.canary_weight_percent == 0:
        after = with_last_words(site, deployment, service, after, decision.action, now)
    if decision.state.phase is RolloutPhase.ROLLING_BACK and document.state.phase is not RolloutPhase.ROLLING_BACK:
        site.cluster.save_rollout(deployment.environment, service, dump(replace(after, shifted_back_at=None)))
    _act(site, deployment, service, document, decision, observed)
    if after != document or decision.action is not Action.HOLD:
        site.cluster.save_rollout(deployment.environment, service, dump(after))
    return decision, judgement, after


def judge_document(document: RolloutDocument, analysis: Analysis) -> Judgement:
    """What the judge thinks of all that a rollout has measured."""
    return judge(document.samples, analysis.policy, document.state.phase_since, document.history)


def _mark(decision: Decision, judgement: Judgement, now: datetime) -> Mark:
    return Mark(
        at=now,
        action=decision.action,
        phase=decision.state.phase,
        step_index=decision.state.step_index,
        reason=decision.reason,
        opinion=judgement.opinion,
        opinion_reason=judgement.reason,
        evidence_ratio=judgement.evidence_ratio,
        weight_percent=decision.weight_percent if decision.action is Action.SET_WEIGHT else None,
    )


def _act(
    site: Site,
    deployment: Deployment,
    service: str,
    document: RolloutDocument,
    decision: Decision,
    observed: ServiceStatus,
) -> None:
    cluster, environment = site.cluster, deployment.environment
    found = observed.stable.spec if observed.stable else None
    match decision.action:
        case Action.DEPLOY_CANARY:
            cluster.apply(environment, service, Track.CANARY, _canary(document.wanted, document.state.plan))
        case Action.SET_WEIGHT:
            cluster.set_weight(environment, service, decision.weight_percent)
        case Action.UPDATE_STABLE:
            wanted = keeping_scale(document.wanted, found, document.wanted_replicas)
            cluster.apply(environment, service, Track.STABLE, wanted)
        case Action.RESTORE_STABLE:
            if document.previous is not None:
                previous = keeping_scale(document.previous, found, document.wanted_replicas)
                cluster.apply(environment, service, Track.STABLE, previous)
        case Action.REMOVE_CANARY:
            cluster.remove(environment, service, Track.CANARY)
        case Action.REMOVE_STABLE:
            cluster.remove(environment, service, Track.STABLE)
        case Action.HOLD | Action.FINISH:
            pass


def _canary(wanted: WorkloadSpec, plan: RolloutPlan) -> WorkloadSpec:
    """As many canary replicas as its largest share of the traffic needs, rounded up."""
    largest = max(step.weight_percent for step in plan.steps)
    return replace(wanted, replicas=max(1, -(-wanted.replicas * largest // 100)))


def _remember(document: RolloutDocument, decision: Decision, observed: ServiceStatus, now: datetime) -> RolloutDocument:
    """The document after a decision, with the times at which things happened first."""
    exposed = decision.action is Action.SET_WEIGHT and decision.weight_percent > 0
    promoted = decision.action is Action.UPDATE_STABLE or _is_promoting(document, observed)
    turned = decision.state.phase in _TURNED
    back = turned and _is_back(document, decision, observed)
    return replace(
        document,
        state=decision.state,
        exposed_at=document.exposed_at or (now if exposed else None),
        promoted_at=document.promoted_at or (now if promoted else None),
        detected_at=document.detected_at or (now if turned else None),
        shifted_back_at=document.shifted_back_at or (now if back else None),
    )


def _is_promoting(document: RolloutDocument, observed: ServiceStatus) -> bool:
    taken = observed.stable is not None and observed.stable.is_of(document.state.plan.unit)
    return taken and document.state.phase is RolloutPhase.PROMOTING


def _is_back(document: RolloutDocument, decision: Decision, observed: ServiceStatus) -> bool:
    """Whether no request reaches the version that is turned back any more, once the decision is carried out."""
    if observed.canary_weight_percent != 0 and decision.action is not Action.SET_WEIGHT:
        return False
    stable, plan = observed.stable, document.state.plan
    if stable is None or plan.previous_unit is None:
        return stable is None
    untouched = document.promoted_at is None and not stable.is_of(plan.unit)
    return untouched or (stable.is_of(plan.previous_unit) and stable.complete)
