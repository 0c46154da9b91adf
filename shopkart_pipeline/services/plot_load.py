"""A load test as pictures: what was sent and what became of it, and staging's own metrics of that time.

Each multiple is marked where it begins to be held, and the end of the test.
"""

from collections.abc import Mapping, Sequence

from shopkart_pipeline.domain.evidence import RawReport
from shopkart_pipeline.domain.load_report import LoadDocument
from shopkart_pipeline.domain.vitals import Vital, VitalMissing, VitalSeries
from shopkart_pipeline.services.plot_vitals import Mark, plot
from shopkart_pipeline.services.show_health import PICTURES

PNG = "image/png"
_LATENCIES = (Vital.LATENCY_P50_SECONDS, Vital.LATENCY_P95_SECONDS, Vital.LATENCY_P99_SECONDS)


def load_pictures(document: LoadDocument) -> tuple[RawReport, ...]:
    """Requests by what became of them, and latency, by second."""
    ends = [
        VitalSeries(Vital.REQUEST_RATE, name, tuple((each.at, float(getattr(each, name))) for each in document.seconds))
        for name in ("sent", "answered", "failed")
    ]
    latencies = [
        VitalSeries(vital, "", tuple((each.at, each.latencies[vital]) for each in document.seconds if each.latencies))
        for vital in _LATENCIES
    ]
    return (
        _picture("load-requests", "Requests a second", ends, _marks(document)),
        _picture("load-latency", "Latency (seconds)", latencies, _marks(document)),
    )


def vital_pictures(
    vitals: Mapping[Vital, tuple[VitalSeries, ...] | VitalMissing], document: LoadDocument
) -> tuple[RawReport, ...]:
    """Staging's metrics; of what nobody measured there is no picture."""
    made = list[RawReport]()
    for title, shown in PICTURES:
        series = [each for vital in shown if not isinstance(found := vitals[vital], VitalMissing) for each in found]
        if series:
            name = f"staging-{shown[0].replace('_', '-')}"
            made.append(_picture(name, f"{title}, in staging", series, _marks(document)))
    return tuple(made)


def _marks(document: LoadDocument) -> list[Mark]:
    return [*((at, f"{multiple:g}x") for at, multiple in document.holds), (document.ended_at, "end")]


def _picture(name: str, title: str, series: Sequence[VitalSeries], marks: Sequence[Mark]) -> RawReport:
    drawn = [each for each in series if each.points]
    return RawReport(f"{name}.png", PNG, plot(drawn, title, marks))
