"""What is watched, and how often.

None of it is declared a second time: it follows from the services, their environments and their objectives.
"""

from dataclasses import dataclass

from shopkart_pipeline.domain.analysis import Objective
from shopkart_pipeline.domain.burn_rate import PERIOD_SECONDS, BurnRule, budget_period_seconds, burn_rules
from shopkart_pipeline.domain.declaration import Deployment, Environment, Phase, Pipeline, Service
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.domain.vitals import RATE_WINDOW

DATABASE = "{database_url}"
"""What stands in a variable where a service uses the environment's database."""


@dataclass(frozen=True)
class Pace:
    """How often is looked, and for how long something has to last before it is told."""

    evaluation_seconds: float = 15.0
    rate_window_seconds: float = RATE_WINDOW.total_seconds()
    """Over which rates, ratios and latencies of now are computed; at least four scrapes."""
    period_seconds: float = PERIOD_SECONDS
    """Of the error budgets, where an objective's own window is too short to be one."""
    unseen_seconds: float = 300.0
    """For how long nothing may be seen of a service; metrics of its surroundings may be away twice as long."""
    pressing_seconds: float = 300.0
    """For how long memory, disk or connections have to be short."""

    def rules_of(self, objective: Objective) -> tuple[BurnRule, ...]:
        """The burn rates that an objective is watched by, without those whose short window holds too few scrapes: a
        rate over them would often be none, and its alert silent."""
        rules = burn_rules(budget_period_seconds(objective.window_seconds, self.period_seconds))
        return tuple(rule for rule in rules if rule.short_seconds >= self.rate_window_seconds)

    def windows_of(self, objective: Objective) -> tuple[float, ...]:
        """Their windows, shortest first."""
        rules = self.rules_of(objective)
        return tuple(sorted({window for rule in rules for window in (rule.short_seconds, rule.long_seconds)}))


PACE = Pace()


@dataclass(frozen=True)
class Target:
    """One service in one environment, with all that rules and dashboards are made of."""

    environment: str
    service: str
    is_production: bool
    deployment: Deployment
    source: PrometheusSource
    owners: tuple[str, ...]
    uses_database: bool
    """Whether anything in that environment does: its connections are counted together."""


def targets_of(pipeline: Pipeline, environment: str | None = None) -> tuple[Target, ...]:
    """What is watched, in the order of the declaration.

    Args:
        pipeline: the declaration.
        environment: only this one; None: all of them.
    """
    chosen = [each for each in pipeline.environments.values() if environment in (None, each.name)]
    return tuple(
        _target(pipeline, each, service)
        for each in chosen
        for service in pipeline.services.values()
        if each.name in service.deployments
    )


def _target(pipeline: Pipeline, environment: Environment, service: Service) -> Target:
    return Target(
        environment.name,
        service.name,
        environment.phase is Phase.PRODUCTION,
        service.deployments[environment.name],
        environment.telemetry or PrometheusSource(""),
        service.owners,
        any(
            DATABASE in value
            for each in pipeline.services.values()
            if environment.name in each.deployments
            for value in each.workload.variables.values()
        ),
    )
