"""A worker that brings a rollout to its end by the pipeline's own steps, and may die on the way."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from shopkart_pipeline.adapters.kubernetes.cluster import KubernetesCluster
from shopkart_pipeline.domain.analysis import Analysis
from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.pod import Autoscale, Route
from shopkart_pipeline.domain.rollout import Action, RolloutPhase, RolloutPlan, RolloutStep, abort, begin
from shopkart_pipeline.domain.traffic import Counts, TrafficSample
from shopkart_pipeline.domain.workload import WorkloadSpec
from shopkart_pipeline.ports.telemetry import Metrics
from shopkart_pipeline.services.advance_rollout import advance
from shopkart_pipeline.services.platform import Site
from shopkart_pipeline.services.rollout_document import RolloutDocument, dump, load
from shopkart_pipeline_tests.cluster.beds import Bed
from shopkart_pipeline_tests.contract.cluster_worlds import a_spec
from shopkart_pipeline_tests.fakes.fake_cluster import FakeLogs

STEPS = (RolloutStep(20, 2.0), RolloutStep(50, 2.0), RolloutStep(100, 2.0))
_LEASE_SECONDS = 15.0
Watch = Callable[[RolloutDocument, Action], None]


class ScriptedMetrics(Metrics):
    """Good news at every look, until a scenario says otherwise."""

    def __init__(self) -> None:
        self.bad = False
        self._requests = self._errors = 0

    def traffic(self, environment: str, service: str, now: datetime, since: datetime | None = None) -> TrafficSample:
        self._requests += 100
        self._errors += 60 if self.bad else 0
        return TrafficSample(now, Counts(self._requests, self._errors), Counts(self._requests, 0))


@dataclass
class Worker:
    """One process that rolls a service out."""

    bed: Bed
    service: str
    replicas: int = 2
    holder: str = "worker"
    autoscale: Autoscale | None = None
    route: Route = field(default_factory=Route)
    steps: tuple[RolloutStep, ...] = STEPS
    metrics: ScriptedMetrics = field(default_factory=ScriptedMetrics)
    cluster: KubernetesCluster = field(init=False)

    def __post_init__(self) -> None:
        self.cluster = self.bed.worker()

    @property
    def deployment(self) -> Deployment:
        return Deployment(
            self.bed.environment,
            replicas=self.replicas,
            steps=self.steps,
            deadline_seconds=self.bed.patience_seconds,
            analysis=Analysis(),
            objectives=(),
            approvals=None,
        )

    def spec(self, digest: str) -> WorkloadSpec:
        spec = a_spec(digest, replicas=self.replicas, startup_deadline_seconds=self.bed.startup_deadline_seconds)
        pod = replace(spec.pod, pre_stop_seconds=self.bed.pre_stop_seconds)
        return replace(spec, pod=pod, autoscale=self.autoscale, route=self.route)

    def begin(self, digest: str, *, canary: bool = True) -> RolloutDocument:
        """Begin to roll a digest out, as the pipeline does."""
        self._take_lease()
        stable = self.cluster.observe(self.bed.environment, self.service).stable
        wanted, now = self.spec(digest), self.bed.clock.now()
        plan = RolloutPlan(
            release_key=wanted.release_key,
            digest=digest,
            previous_digest=stable.spec.digest if stable else None,
            previous_release_key=stable.spec.release_key if stable else None,
            configuration=wanted.configuration,
            previous_configuration=stable.spec.configuration if stable else None,
            steps=self.steps if canary else (),
            deadline_seconds=self.bed.patience_seconds,
        )
        document = RolloutDocument(begin(plan, now), wanted, stable.spec if stable else None, now)
        self.cluster.save_rollout(self.bed.environment, self.service, dump(document))
        return document

    def resume(self) -> RolloutDocument:
        """Go on with what another worker began: wait for its lease to end, and read what it saved."""
        self._take_lease()
        document = load(self.cluster.load_rollout(self.bed.environment, self.service))
        assert document is not None
        return replace(document, state=replace(document.state, phase_since=self.bed.clock.now()))

    def turned_back(self, document: RolloutDocument, reason: str) -> RolloutDocument:
        """The document of a rollout that somebody wants back."""
        return replace(document, state=abort(document.state, reason, self.bed.clock.now()))

    def drive(self, document: RolloutDocument, watch: Watch = lambda document, action: None) -> RolloutDocument:
        """Tick until the end; `watch` is told of every decision."""
        site, since = Site(self.cluster, self.metrics, FakeLogs()), self.bed.clock.now()
        while True:
            now = self.bed.clock.now()
            assert (now - since).total_seconds() < 10 * self.bed.patience_seconds, document.state
            self._take_lease()
            try:
                decision, _, document = advance(site, self.deployment, self.service, document, now)
            except ToolUnavailable:
                self.bed.clock.sleep(self.bed.tick_seconds)
                continue
            watch(document, decision.action)
            if decision.action is Action.FINISH:
                self.cluster.release_lease(self.bed.environment, self.service, self.holder)
                return document
            self.bed.clock.sleep(self.bed.tick_seconds)

    def release(self, digest: str, *, canary: bool = True, watch: Watch = lambda document, action: None) -> None:
        """Roll a digest out and see that it is released."""
        document = self.drive(self.begin(digest, canary=canary), watch)
        assert document.state.phase is RolloutPhase.RELEASED, document.state.reason
        assert self.runs(digest)

    def runs(self, digest: str) -> bool:
        """Whether stable is that digest, complete and alone."""
        status = self.cluster.observe(self.bed.environment, self.service)
        return (
            status.stable is not None
            and status.stable.spec.digest == digest
            and status.stable.complete
            and (status.canary, status.canary_weight_percent) == (None, 0)
        )

    def _take_lease(self) -> None:
        self.bed.until(
            lambda: self.cluster.acquire_lease(
                self.bed.environment, self.service, self.holder, _LEASE_SECONDS, self.bed.clock.now()
            ),
            "the lease",
        )
