"""The measures of delivery in words, of every service and team."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.delivery import Figure, Measures, measure
from shopkart_pipeline.services.measure_delivery import Remembered, production_changes, teams_of
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.plot_delivery import WEEK, WEEKS, plot_delivery

TITLES = {
    "deployments_per_day": "Deployment frequency",
    "lead_time_seconds": "Lead time for changes",
    "change_failure_ratio": "Change failure rate",
    "recovery_time_seconds": "Recovery time",
    "rework_ratio": "Rework rate",
}
NO_DATA = "no data"
EVERYTHING = "all services"


@dataclass(frozen=True)
class DeliveryReport:
    """How software is delivered."""

    measures: Mapping[str, Measures]
    """Of all services together, of each one, and of each team, by what people call it."""
    picture: bytes
    """The last weeks, as a PNG."""

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """A line for each: what it is of, the figures as people read them, and what they leave out."""
        return tuple(
            (
                of,
                *(in_words(name, figure) for name, figure in measures.figures.items()),
                "; ".join(dict.fromkeys(figure.missing for figure in measures.figures.values() if figure.missing)),
            )
            for of, measures in self.measures.items()
        )

    @property
    def words(self) -> str:
        """All services in one line."""
        figures = self.measures[EVERYTHING].figures
        return ", ".join(f"{TITLES[name].lower()} {in_words(name, figure)}" for name, figure in figures.items())


def report_delivery(platform: Platform, since: datetime, until: datetime) -> DeliveryReport:
    """The measures of every service and team, of deployments from `since` on and before `until`."""
    remembered, services = Remembered(platform), tuple(platform.pipeline.services)
    begin = min(since, until - WEEKS * WEEK)
    changes = {name: production_changes(platform, name, begin, remembered) for name in services}
    groups = {EVERYTHING: services, **{name: (name,) for name in services}}
    groups |= {f"team {team}": names for team, names in teams_of(platform).items()}
    every = [change for name in services for change in changes[name]]
    return DeliveryReport(
        {of: measure([each for name in names for each in changes[name]], since, until) for of, names in groups.items()},
        plot_delivery(every, until, f"Deployments to production, until {until:%Y-%m-%d}"),
    )


def in_words(name: str, figure: Figure) -> str:
    """A figure as people read it: `3.5 a day`, `2.0 hours`, `12 %`."""
    if figure.value is None:
        return NO_DATA
    if name.endswith("_seconds"):
        return _time(figure.value)
    if name.endswith("_ratio"):
        return f"{figure.value:.0%}".replace("%", " %")
    return f"{figure.value:.1f} a day" if figure.value >= 1 else f"one in {1 / figure.value:.1f} days"


def _time(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"
