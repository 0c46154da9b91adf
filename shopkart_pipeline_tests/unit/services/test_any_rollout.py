"""Random rollouts by real workers over the cluster in memory: crashes, second workers, people who interfere, clocks
that jump. On every way the laws below hold, and every way ends."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.release_unit import ReleaseUnit
from shopkart_pipeline.domain.rollout import FINAL_PHASES, RolloutPhase, RolloutPlan, RolloutStep, begin, resume
from shopkart_pipeline.domain.workload import ServiceStatus, Track, WorkloadSpec
from shopkart_pipeline.services.advance_rollout import advance
from shopkart_pipeline.services.platform import Site
from shopkart_pipeline.services.rollout_document import RolloutDocument, dump, load
from shopkart_pipeline.services.specify_workload import workload_spec
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour, FakeCluster, FakeMetrics
from shopkart_pipeline_tests.fakes.fuse import Fuse, Killed
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World

_OLD, _NEW, _ALIEN = "sha256:old", "sha256:new", "sha256:alien"
_STEPS = (RolloutStep(10, 1.0), RolloutStep(40, 1.0))
_TICKS_TO_THE_END = 600
_BY_HAND = ["weight", "scale", "canary image", "stable image", "no canary"]


class _Cluster(FakeCluster):
    """Remembers what the pipeline's own calls were, and at which state of things each was made."""

    def __init__(self) -> None:
        super().__init__()
        self.watch: Callable[[str, int], None] = lambda effect, weight: None

    def set_weight(self, environment: str, service: str, canary_percent: int) -> None:
        self.watch("set_weight", canary_percent)
        super().set_weight(environment, service, canary_percent)

    def apply(self, environment: str, service: str, track: Track, spec: WorkloadSpec) -> None:
        self.watch(f"apply {track.value} {spec.digest} {spec.configuration}", 0)
        super().apply(environment, service, track, spec)


class Rollouts(RuleBasedStateMachine):
    """One rollout; each rule is one tick of a worker, or something that happens to it."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self.cluster = _Cluster()
        self.world = World(Path(self._folder.name), cluster=self.cluster)
        self.metrics = FakeMetrics(self.cluster)
        self.memory: dict[str, RolloutDocument] = {}
        """What a worker that lives has in mind, by its name."""
        self.alien = False
        """Whether somebody set stable's image."""
        self.set_back_seconds = 0

    @initialize(
        before=st.sampled_from([None, _OLD, _NEW]),
        broken=st.booleans(),
        bad=st.booleans(),
        steps=st.sampled_from([_STEPS, _STEPS[:1], ()]),
    )
    def a_rollout_begins(self, before: str | None, broken: bool, bad: bool, steps: tuple[RolloutStep, ...]) -> None:
        """Of an image, or where the same one ran before, of its configuration."""
        service = self.world.pipeline.services["backend"]
        self.deployment: Deployment = replace(service.deployments[PRODUCTION], steps=steps)
        release = self.world.merge()
        wanted = workload_spec(self.world.platform, service, self.deployment, release, _NEW)
        old = None if before is None else replace(wanted, digest=before, variables={"MODE": "old"})
        self.wanted, self.old = wanted, old
        if old is not None:
            self.cluster.apply(PRODUCTION, "backend", Track.STABLE, old)
            while not self._status().stable.complete:  # pyright: ignore[reportOptionalMemberAccess]
                pass
        if broken:
            self.cluster.behaviours[wanted.configuration] = Behaviour.CRASHES
        self.metrics.error_ratios[wanted.configuration] = 0.5 if bad else 0.0
        now = self.world.clock.now()
        plan = RolloutPlan(
            release.key,
            _NEW,
            before,
            before and "older",
            steps,
            self.deployment.deadline_seconds,
            wanted.configuration,
            old and old.configuration,
        )
        self._save(RolloutDocument(begin(plan, now), wanted, old, now))
        self.weights = {0, *(step.weight_percent for step in steps)}
        self.cluster.watch = self._check_effect

    def _save(self, document: RolloutDocument) -> None:
        self.cluster.save_rollout(PRODUCTION, "backend", dump(document))

    def _saved(self) -> RolloutDocument:
        document = load(self.cluster.load_rollout(PRODUCTION, "backend"))
        assert document is not None
        return document

    def _status(self) -> ServiceStatus:
        return self.cluster.observe(PRODUCTION, "backend")

    def _tick(self, worker: str, site: Site) -> RolloutDocument:
        """As a worker does it: with the lease, from what it has in mind, or from what is saved."""
        self.world.clock.advance(0.25)
        if not self.cluster.acquire_lease(PRODUCTION, "backend", worker, 15, self.world.clock.now()):
            self.memory.pop(worker, None)
            return self._saved()
        if worker not in self.memory:
            saved = self._saved()
            self.memory[worker] = replace(saved, state=resume(saved.state, self.world.clock.now()))
        _, _, after = advance(site, self.deployment, "backend", self.memory[worker], self.world.clock.now())
        self.memory[worker] = after
        return after

    def _site(self) -> Site:
        return Site(self.cluster, self.metrics, self.world.logs)

    # What happens.

    @rule(worker=st.sampled_from(["a", "b"]), ticks=st.integers(1, 12))
    def a_worker_ticks(self, worker: str, ticks: int) -> None:
        for _ in range(ticks):
            try:
                self._tick(worker, self._site())
            except Refused:
                continue

    @rule(worker=st.sampled_from(["a", "b"]), call=st.integers(1, 12), after=st.booleans())
    def a_worker_is_killed(self, worker: str, call: int, after: bool) -> None:
        fuse = Fuse(call, after=after)
        site = fuse.fused(replace(self.world.platform, sites={PRODUCTION: self._site()})).sites[PRODUCTION]
        try:
            for _ in range(4):
                self._tick(worker, site)
        except (Killed, Refused):
            pass
        self.memory.pop(worker, None)

    @rule(seconds=st.sampled_from([-3600, -5, 1, 16, 30, 3600]))
    def the_clock_jumps(self, seconds: int) -> None:
        self.world.clock.advance(seconds)
        self.set_back_seconds += max(0, -seconds)

    @rule(track=st.sampled_from(list(Track)))
    def replicas_are_lost(self, track: Track) -> None:
        self.cluster.lose_replicas(PRODUCTION, "backend", track)

    @rule(ratio=st.sampled_from([0.0, 0.5]))
    def the_new_version_changes_its_mind(self, ratio: float) -> None:
        self.metrics.error_ratios[self.wanted.configuration] = ratio

    @rule(missing=st.sampled_from([None, "the metrics server is silent"]))
    def metrics_come_and_go(self, missing: str | None) -> None:
        self.metrics.missing = missing

    @precondition(lambda self: self._saved().state.phase not in FINAL_PHASES)
    @rule(
        what=st.sampled_from(["weight", "scale", "canary image", "stable image", "no canary"]), value=st.integers(1, 4)
    )
    def somebody_interferes(self, what: str, value: int) -> None:
        self.cluster.watch, watch = lambda effect, weight: None, self.cluster.watch
        status = self._status()
        tracks = {Track.STABLE: status.stable, Track.CANARY: status.canary}
        with suppress(Refused):
            self._interfere(what, value, {track: each.spec for track, each in tracks.items() if each})
        self.cluster.watch = watch

    def _interfere(self, what: str, value: int, specs: dict[Track, WorkloadSpec]) -> None:
        if what == "weight":
            self.cluster.set_weight(PRODUCTION, "backend", value * 25)
        elif what == "no canary":
            self.cluster.remove(PRODUCTION, "backend", Track.CANARY)
        elif what == "scale" and Track.STABLE in specs and specs[Track.STABLE].replicas:
            self.cluster.scale(PRODUCTION, "backend", Track.STABLE, value)
        elif what == "canary image" and Track.CANARY in specs:
            self.cluster.apply(PRODUCTION, "backend", Track.CANARY, replace(specs[Track.CANARY], digest=_ALIEN))
        elif what == "stable image" and Track.STABLE in specs:
            self.alien = True
            self.cluster.apply(PRODUCTION, "backend", Track.STABLE, replace(specs[Track.STABLE], digest=_ALIEN))

    # What holds.

    def _check_effect(self, effect: str, weight: int) -> None:
        status = _without_time(self.cluster)
        phase = max(self.memory.values(), key=lambda each: each.state.phase_since).state.phase
        if effect == "set_weight":
            assert weight in self.weights, "traffic stays in the plan"
            if weight:
                assert status.canary is not None
                assert status.canary.is_of(self.wanted.unit) or status.canary.spec.digest == _ALIEN
                assert status.canary.updated_ready > 0, "no traffic to what is not ready"
        if effect == f"apply stable {_NEW} {self.wanted.configuration}":
            assert phase in (RolloutPhase.BAKING, RolloutPhase.PROMOTING), "only what was verified takes stable"
        if effect.startswith("apply stable"):
            stable = status.stable
            assert stable is None or stable.spec.digest != _ALIEN, "what people set by hand is not overwritten"

    @invariant()
    def what_has_ended_is_consistent(self) -> None:
        if not hasattr(self, "deployment"):
            return
        saved = self._saved()
        if saved.state.phase is RolloutPhase.ROLLED_BACK:
            assert saved.state.reason

    def teardown(self) -> None:
        """Left alone, with one worker that lives, every way comes to its end; and saying it again changes nothing."""
        try:
            if hasattr(self, "deployment"):
                self._come_to_the_end()
        finally:
            self._folder.cleanup()

    def _come_to_the_end(self) -> None:
        self.memory.clear()
        self.world.clock.advance(16 + self.set_back_seconds)  # A lease that a clock now puts into the future ends too.
        for _ in range(_TICKS_TO_THE_END):
            try:
                document = self._tick("last", self._site())
            except Refused:
                continue
            if document.state.phase in FINAL_PHASES:
                break
        else:
            raise AssertionError(f"still {document.state} after {_TICKS_TO_THE_END} ticks")
        ended, effects = self._status(), len(self.cluster.effects)
        assert ended.canary_weight_percent == 0
        assert ended.stable is None or self.alien or ended.stable.is_of(self._expected(document))
        for _ in range(3):
            assert self._tick("last", self._site()).state == document.state
        assert len(self.cluster.effects) == effects, "a replay changes nothing"

    def _expected(self, document: RolloutDocument) -> ReleaseUnit | None:
        plan = document.state.plan
        return plan.unit if document.state.phase is RolloutPhase.RELEASED else plan.previous_unit


def _without_time(cluster: Any) -> ServiceStatus:
    """What is there, without a look that lets time pass."""
    tick, cluster.tick = cluster.tick, lambda environment, service: None
    try:
        return cluster.observe(PRODUCTION, "backend")
    finally:
        cluster.tick = tick


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(
    max_examples=40,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
