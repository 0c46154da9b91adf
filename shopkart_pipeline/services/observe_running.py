"""What runs of a service in each environment now, beside what the ledger says was put there last.

Only looks, and says why where it can't: an environment that does not answer is not one where all is well. While a
rollout is under way what runs differs from the ledger by intention, and that is said instead.
"""

from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.drift import Expected, drift_at_rest
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import current
from shopkart_pipeline.services.rollout_document import saved_rollout


@dataclass(frozen=True)
class Running:
    """A service in an environment."""

    environment: str
    digest: str = ""
    """Of the image that all replicas of stable are to run; empty where nothing runs, or nobody can see it."""
    release_key: str = ""
    replicas: str = ""
    """Such as `2 of 2`."""
    canary: str = ""
    """Digest and weight of what is tried out beside it."""
    recorded_digest: str = ""
    """What the ledger says was put there last, and by which release and when."""
    recorded_release: str = ""
    recorded_at: datetime | None = None
    differs: tuple[str, ...] = ()
    """How what runs differs from that, a line each."""
    missing: str = ""
    """Why it can't be told."""

    @property
    def words(self) -> str:
        """How both compare, in one line."""
        if self.missing:
            return f"can't be told: {self.missing}"
        if self.differs:
            return "; ".join(self.differs)
        return "as the ledger says" if self.recorded_digest else "nothing was put there yet"


def observe_running(platform: Platform, service: Service) -> tuple[Running, ...]:
    """What runs in each environment that the service is declared for, in the order of their names."""
    return tuple(_observed(platform, service.name, environment) for environment in sorted(service.deployments))


def _observed(platform: Platform, service: str, environment: str) -> Running:
    try:
        return _look(platform, service, environment)
    except PipelineError as error:
        return Running(environment, missing=f"{error.what} {error.fix}")
    except OSError as error:
        return Running(environment, missing=f"{type(error).__name__}: {error.strerror}")


def _look(platform: Platform, service: str, environment: str) -> Running:
    cluster = platform.sites[environment].cluster
    placed, saved = current(platform, service, environment), saved_rollout(cluster, environment, service)
    observed = cluster.observe(environment, service)
    stable, canary, differs = observed.stable, observed.canary, tuple[str, ...]()
    if saved is not None and not saved.concluded:
        differs = (f"a rollout of {saved.state.plan.release_key} is under way",)
    elif placed is not None:
        declared = saved.declared_replicas if saved is not None else None
        differs = drift_at_rest(Expected(placed.unit, () if declared is None else (declared,)), observed)
    elif stable is not None:
        differs = (f"drift: {stable.spec.digest} runs, and the pipeline put nothing there",)
    return Running(
        environment=environment,
        digest="" if stable is None else stable.spec.digest,
        release_key="" if stable is None else stable.spec.release_key,
        replicas="" if stable is None else f"{stable.ready} of {stable.spec.replicas}",
        canary="" if canary is None else f"{canary.spec.digest} ({observed.canary_weight_percent} %)",
        recorded_digest="" if placed is None else placed.digest,
        recorded_release="" if placed is None else placed.release_key,
        recorded_at=None if placed is None else placed.at,
        differs=differs,
    )
