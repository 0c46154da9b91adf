"""What an incident did to users, as rows of numbers, each with the evidence that it was read from."""

from dataclasses import dataclass

from shopkart_pipeline.domain.analysis import Objective
from shopkart_pipeline.domain.burn_rate import PERIOD_SECONDS
from shopkart_pipeline.domain.incident import Incident, IncidentStep
from shopkart_pipeline.services.rollout_document import RolloutDocument

NOT_MEASURED = "not measured"
ROLLOUT, SNAPSHOT, TIMELINE = "rollout", "snapshot", "timeline"
"""Names of evidence."""
_SPANS = (
    ("From introduced to detected", IncidentStep.INTRODUCED, IncidentStep.DETECTED),
    ("From detected to opened", IncidentStep.DETECTED, IncidentStep.OPENED),
    ("From opened to acknowledged", IncidentStep.OPENED, IncidentStep.ACKNOWLEDGED),
    ("From detected to the cause", IncidentStep.DETECTED, IncidentStep.CAUSE_IDENTIFIED),
    ("From detected to rolled back", IncidentStep.DETECTED, IncidentStep.ROLLED_BACK),
    ("From detected to recovered", IncidentStep.DETECTED, IncidentStep.RECOVERED),
    ("From introduced to recovered", IncidentStep.INTRODUCED, IncidentStep.RECOVERED),
)


@dataclass(frozen=True)
class Row:
    """One number."""

    what: str
    value: str
    evidence: str
    """Where it was read from; see above."""


def impact_rows(
    incident: Incident, document: RolloutDocument | None, objectives: tuple[Objective, ...]
) -> tuple[Row, ...]:
    """The rows.

    Args:
        incident: what happened.
        document: the rollout that brought the suspected release; None where there was none, or it is not known.
        objectives: what was promised.
    """
    return (
        *_requests(incident, document),
        *_orders(document),
        *_budget(incident, document, objectives),
        *_spans(incident),
    )


def _requests(incident: Incident, document: RolloutDocument | None) -> tuple[Row, ...]:
    if document is not None and (document.was_measured or incident.all_requests is None):
        who, source, is_known = "the canary", ROLLOUT, document.was_measured
    else:
        who, source, is_known = f"{incident.service}", SNAPSHOT, incident.all_requests is not None
    answered = str(incident.answered_requests) if is_known else NOT_MEASURED
    failed = str(incident.failed_requests) if is_known else NOT_MEASURED
    return (
        Row(f"Requests that {who} answered", answered, source),
        Row("Requests that it answered with a server error", failed, source),
    )


def _orders(document: RolloutDocument | None) -> tuple[Row, ...]:
    """By declared events, such as completed checkouts: how many fewer there were than stable would have had."""
    if document is None or not document.looks:
        return (Row("Orders that failed", "not counted: no event is declared, or no canary was compared", ROLLOUT),)
    canary, stable = document.looks[-1].canary, document.looks[-1].stable
    rows: list[Row] = []
    for name in canary.events:
        if name in stable.events and stable.requests:
            expected = stable.events[name] / stable.requests * canary.requests
            fewer = max(expected - canary.events[name], 0.0)
            rows.append(Row(f"Fewer {name} than stable would have had", f"{fewer:.0f}", ROLLOUT))
    return tuple(rows) or (Row("Orders that failed", "not counted: no event of business is declared", ROLLOUT),)


def _budget(incident: Incident, document: RolloutDocument | None, objectives: tuple[Objective, ...]) -> tuple[Row, ...]:
    minutes, source = incident.outage_minutes, ROLLOUT if document is not None and document.was_measured else SNAPSHOT
    limit = next((each.limit for each in objectives if each.measure == "error_ratio"), None)
    name = "Minutes of error budget burnt"
    if minutes is None:
        return (Row(name, NOT_MEASURED, source),)
    if limit is None:
        return (Row(name, f"{minutes:.3f} (no objective says how many there are)", source),)
    whole = limit * PERIOD_SECONDS / 60
    return (Row(name, f"{minutes:.3f} of {whole:.0f} in 30 days", source),)


def _spans(incident: Incident) -> tuple[Row, ...]:
    rows: list[Row] = []
    for what, start, end in _SPANS:
        began, ended = incident.time_of(start), incident.time_of(end)
        seconds = NOT_MEASURED if began is None or ended is None else f"{(ended - began).total_seconds():.1f} s"
        rows.append(Row(what, seconds, TIMELINE))
    return tuple(rows)
