"""Raise replicas for declared windows, and lower them again when those are over.

Whether something is to be done follows from the declaration, the time, the ledger and what is there, so a tick that was
missed or killed is made up for by the next: the ledger is told first, then the cluster, then the document beside the
workload, and what was told is not told again. The lease keeps it off a rollout. While one is under way its worker
raises, so that what comes back after a rollback is large enough too; nothing is lowered then. What somebody set by hand
is told and left until a window begins or ends, which is declared anew.
"""

import logging
from dataclasses import dataclass, replace

from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.scale_ahead import Ahead, Scale, ahead_at
from shopkart_pipeline.domain.workload import WorkloadStatus
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.drive_rollout import LEASE_SECONDS
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.rollout_document import RolloutDocument, dump, saved_rollout

SCALE = "scale"
"""Verb of the ledger."""
_HOLDER = "scale-ahead"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scaled:
    """What was done for a service, or why it was not."""

    service: str
    environment: str
    line: str
    act: Act | None = None
    """As the ledger tells it; None where nothing was done."""


@dataclass(frozen=True)
class _Found:
    """What is there."""

    ahead: Ahead
    last: Act | None
    """Of the ledger, about the scale."""
    stable: WorkloadStatus | None
    saved: RolloutDocument | None

    @property
    def is_done(self) -> bool:
        """Whether nothing is to be changed."""
        if self.stable is None or _window_of(self.last) != self.ahead.key:
            return self.stable is None
        scale = self.ahead.scale
        if scale.autoscale is not None:
            return self.stable.spec.autoscale == scale.autoscale
        if self.saved is not None and self.saved.declared_replicas is not None:
            return self.saved.declared_replicas == scale.replicas
        return self.last is None or self.stable.spec.replicas == scale.replicas

    @property
    def hindrance(self) -> str | None:
        """Why nothing is changed now."""
        if self.stable is None:
            return None
        if self.saved is not None and not self.saved.concluded:
            return "a rollout is under way, whose worker raises and never lowers"
        if (self.stable.spec.autoscale is None) != (self.ahead.scale.autoscale is None):
            return "an autoscaler comes and goes with a release: release it first"
        if self.ahead.scale.autoscale is None and self.stable.spec.replicas == 0:
            return "somebody scaled it to nothing, and it stays so"
        return None


def tend_scale(platform: Platform) -> tuple[Scaled, ...]:
    """Raise and lower whatever has to be, everywhere; returns what was done and what could not be. One service's
    trouble hides no other's."""
    told: list[Scaled] = []
    for service in platform.pipeline.services.values():
        for deployment in service.deployments.values():
            try:
                done = _tend(platform, service.name, deployment)
            except PipelineError as error:
                line = f"{service.name} in {deployment.environment} is not scaled: {error.what} {error.fix}"
                log.warning("%s", line)
                done = Scaled(service.name, deployment.environment, line)
            told += [done] if done is not None else []
    return tuple(told)


def last_scaled(platform: Platform, service: str, environment: str) -> Act | None:
    """What the ledger tells last about the scale of a service there."""
    entries = platform.ledger.entries(service, verbs=(SCALE,))
    return next((each.act for each in reversed(entries) if each.act.body.get("environment") == environment), None)


def bounds_line(platform: Platform, service: str, environment: str, stable: WorkloadStatus) -> str | None:
    """Somebody's own bounds of the autoscaler, in words."""
    bounds, wanted = platform.sites[environment].cluster.bounds(environment, service), stable.spec.autoscale
    if wanted is None or bounds == (wanted.minimum, wanted.maximum):
        return None
    if bounds is None:
        return "drift: the autoscaler was removed by hand: it comes back with a window or a release"
    least, most = bounds
    told = f"{least} to {most} by hand (wanted {wanted.minimum} to {wanted.maximum})"
    return f"drift: the autoscaler's bounds were set to {told}: they are left"


def _tend(platform: Platform, service: str, deployment: Deployment) -> Scaled | None:
    environment, cluster = deployment.environment, platform.sites[deployment.environment].cluster
    if not deployment.scale_ahead and not _window_of(last_scaled(platform, service, environment)):
        return None
    found = _look(platform, service, deployment)
    if found.stable is None:
        return None
    if found.is_done:
        line = bounds_line(platform, service, environment, found.stable)
        return None if line is None else Scaled(service, environment, f"{service} in {environment}: {line}")
    if not cluster.acquire_lease(environment, service, _HOLDER, LEASE_SECONDS, platform.clock.now()):
        return Scaled(service, environment, f"{service} in {environment} waits: somebody else is changing it")
    try:
        return _change(platform, service, deployment)
    finally:
        cluster.release_lease(environment, service, _HOLDER)


def _look(platform: Platform, service: str, deployment: Deployment) -> _Found:
    environment, cluster = deployment.environment, platform.sites[deployment.environment].cluster
    return _Found(
        ahead_at(deployment, platform.clock.now()),
        last_scaled(platform, service, environment),
        cluster.observe(environment, service).stable,
        saved_rollout(cluster, environment, service),
    )


def _change(platform: Platform, service: str, deployment: Deployment) -> Scaled | None:
    """The caller holds the lease, under which everything is looked at once more."""
    environment, cluster = deployment.environment, platform.sites[deployment.environment].cluster
    found = _look(platform, service, deployment)
    if found.stable is None or found.is_done:
        return None
    if found.hindrance is not None:
        return Scaled(service, environment, f"{service} in {environment} waits: {found.hindrance}")
    scale = found.ahead.scale
    # First of all, or nobody would know what to lower after whoever is killed next.
    act = found.last if _is_told(found) else platform.ledger.append(_act(platform, service, environment, found)).act
    cluster.rescale(environment, service, scale)
    if found.saved is not None:
        cluster.save_rollout(environment, service, dump(replace(found.saved, declared_replicas=scale.replicas)))
    return Scaled(service, environment, f"{service} in {environment}: {_reason(found)}", act)


def _is_told(found: _Found) -> bool:
    """Whether the ledger has it: of whoever was killed after that, or whom the cluster refused."""
    told = found.last is not None and (found.last.body["window"], found.last.body["to"])
    return told == (found.ahead.key, found.ahead.scale.words)


def _act(platform: Platform, service: str, environment: str, found: _Found) -> Act:
    body = {
        "environment": environment,
        "window": found.ahead.key,
        "from": _there(found).words,
        "to": found.ahead.scale.words,
        "reason": _reason(found),
    }
    key, digest = ("", "") if found.stable is None else (found.stable.spec.release_key, found.stable.spec.digest)
    return Act(platform.clock.now(), "pipeline", SCALE, service, key, digest, body)


def _reason(found: _Found) -> str:
    words, span, before = found.ahead.scale.words, found.ahead.span, _window_of(found.last)
    if span is not None:
        return f"{words} for {span.name}, until {span.ends_at.isoformat(timespec='minutes')}"
    return f"{words} again, as {before} is over" if before else f"{words}, as is declared for every day"


def _there(found: _Found) -> Scale:
    """What is there; the number is the autoscaler's own where there is one, and nobody's news."""
    if found.stable is None:
        return Scale(0)
    spec = found.stable.spec
    return Scale(found.ahead.scale.replicas if spec.autoscale else spec.replicas, spec.autoscale)


def _window_of(act: Act | None) -> str:
    return "" if act is None else act.body["window"]
