"""The measures of delivery in words."""

from shopkart_pipeline.domain.delivery import Figure

TITLES = {
    "deployments_per_day": "Deployment frequency",
    "lead_time_seconds": "Lead time for changes",
    "change_failure_ratio": "Change failure rate",
    "recovery_time_seconds": "Recovery time",
    "rework_ratio": "Rework rate",
}
NO_DATA = "no data"


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
