"""What is declared about incidents, with the domain's own defaults."""

from shopkart_pipeline.domain.incident_policy import IncidentPolicy
from shopkart_pipeline.spec.models.incidents import IncidentsSpec


def compile_incidents(spec: IncidentsSpec | None) -> IncidentPolicy:
    """The policy; what is not said is as `IncidentPolicy` has it."""
    spec, default = spec or IncidentsSpec(), IncidentPolicy()
    return IncidentPolicy(
        auto_rollback=spec.auto_rollback == "suspected",
        suspected_within_seconds=spec.suspected_within or default.suspected_within_seconds,
        window_seconds=spec.window or default.window_seconds,
        drill_detected_within_seconds=spec.drill_detected_within or default.drill_detected_within_seconds,
        drill_recovered_within_seconds=spec.drill_recovered_within or default.drill_recovered_within_seconds,
    )
