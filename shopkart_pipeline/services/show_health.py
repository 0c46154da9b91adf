"""What a look at the health of a deployment shows: its metrics as rows, and as pictures of the time before.

Pictures are for people. A metrics server that takes its time costs no more than `_PATIENCE` for all of them; those that
were not made are named with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shopkart_pipeline.domain.vitals import Vital, VitalMissing, VitalSeries
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.plot_vitals import Mark, plot
from shopkart_pipeline.services.watch_health import HealthReport

BEFORE = timedelta(minutes=30)
"""How much of the time before is drawn."""
_PATIENCE = timedelta(seconds=15)
PICTURES: tuple[tuple[str, tuple[Vital, ...]], ...] = (
    ("CPU usage (cores)", (Vital.CPU_USAGE_CORES,)),
    ("Memory usage (bytes)", (Vital.MEMORY_USAGE_BYTES,)),
    ("Pod restarts", (Vital.POD_RESTARTS,)),
    ("Latency (seconds)", (Vital.LATENCY_P50_SECONDS, Vital.LATENCY_P95_SECONDS, Vital.LATENCY_P99_SECONDS)),
    ("Request rate (per second)", (Vital.REQUEST_RATE,)),
    ("Error ratio", (Vital.ERROR_RATIO,)),
    ("Disk usage (bytes)", (Vital.DISK_USAGE_BYTES,)),
    ("Database connections", (Vital.DATABASE_CONNECTIONS,)),
)
"""Titles of the eight pictures, and the metrics that are in each."""


@dataclass(frozen=True)
class VitalRow:
    """One metric of one version, or why it is not there."""

    metric: str
    version: str
    value: str
    missing: str


@dataclass(frozen=True)
class Picture:
    """One of the eight metrics over time."""

    title: str
    png: bytes
    """Empty where it could not be made."""
    missing: str = ""
    """Why."""


def vital_rows(report: HealthReport) -> tuple[VitalRow, ...]:
    """Every metric, in the usual order."""
    rows = list[VitalRow]()
    for vital in Vital:
        found = report.vitals[vital]
        if isinstance(found, VitalMissing):
            rows.append(VitalRow(vital.words, "", "", found.reason))
        else:
            rows += [VitalRow(vital.words, each.version, value_in_words(vital, each.value), "") for each in found]
    return tuple(rows)


def value_in_words(vital: Vital, value: float) -> str:
    """A value with its unit, in few letters."""
    if vital.unit == "bytes":
        return f"{value / 2**20:.1f} MiB" if value >= 2**20 else f"{value / 2**10:.1f} KiB"
    return f"{value:.4g} {vital.unit}".strip()


def pictures(platform: Platform, report: HealthReport, marks: Sequence[Mark] = ()) -> tuple[Picture, ...]:
    """The eight metrics up to the moment of a report."""
    began, vitals = platform.clock.now(), platform.sites[report.environment].vitals
    made = list[Picture]()
    for title, shown in PICTURES:
        if platform.clock.now() - began > _PATIENCE:
            made.append(Picture(title, b"", "the metrics server takes too long"))
            continue
        series, missing = list[VitalSeries](), ""
        for vital in shown:
            found = vitals.series(report.environment, report.service, vital, report.at - BEFORE, report.at)
            if isinstance(found, VitalMissing):
                missing = found.reason
            else:
                series += found
        name = f"{title}, {report.service} in {report.environment}"
        made.append(Picture(title, plot(series, name, marks)) if series else Picture(title, b"", missing))
    return tuple(made)
