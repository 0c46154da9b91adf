"""An incident as Dagster metadata: its timeline, its suspects, and the pictures of its metrics."""

from dagster import MetadataValue, TableColumn, TableRecord, TableSchema

from shopkart_pipeline.domain.incident import Incident
from shopkart_pipeline.domain.plain_text import in_markdown
from shopkart_pipeline.domain.vitals import Vital
from shopkart_pipeline.services.gather_snapshot import title_of
from shopkart_pipeline.services.incident_links import incident_links
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.plot_vitals import as_markdown

_MOST_ENTRIES = 100
_TIMELINE = TableSchema(columns=[TableColumn(name) for name in ("at", "step", "what")])
_SUSPECTS = TableSchema(columns=[TableColumn(name) for name in ("release", "since", "reasons")])
_ERRORS = TableSchema(columns=[TableColumn(name) for name in ("kind", "lines", "before", "release")])


def incident_metadata(platform: Platform, incident: Incident) -> dict[str, MetadataValue]:
    """What is known of it."""
    shown: dict[str, MetadataValue] = {
        "service": MetadataValue.text(f"{incident.service} in {incident.environment}"),
        "severity": MetadataValue.text(incident.severity.value),
        "reason": MetadataValue.text(incident.reason),
        "timeline": MetadataValue.table(_timeline(incident), schema=_TIMELINE),
        "requests_failed": MetadataValue.int(incident.failed_requests),
    }
    if incident.suspects:
        shown["suspects"] = MetadataValue.table(_suspects(incident), schema=_SUSPECTS)
    if incident.signatures:
        shown["errors"] = MetadataValue.table(_errors(incident), schema=_ERRORS)
    if incident.missing:
        shown["missing"] = MetadataValue.md("\n".join(f"- {in_markdown(text)}" for text in incident.missing))
    links = incident_links(platform, incident)
    return shown | {f"link: {name}": MetadataValue.url(address) for name, address in links}


def pictures(platform: Platform, incident: Incident) -> dict[str, MetadataValue]:
    """The metrics that were drawn when it began."""
    attached = set(platform.incidents.attached(incident.id))
    return {
        vital.value: MetadataValue.md(
            as_markdown(platform.incidents.attachment(incident.id, f"{vital}.png"), title_of(incident, vital))
        )
        for vital in Vital
        if f"{vital}.png" in attached
    }


def _timeline(incident: Incident) -> list[TableRecord]:
    return [
        TableRecord({"at": entry.at.isoformat(timespec="seconds"), "step": entry.step.value, "what": entry.text[:500]})
        for entry in incident.timeline[-_MOST_ENTRIES:]
    ]


def _suspects(incident: Incident) -> list[TableRecord]:
    return [
        TableRecord(
            {"release": each.name, "since": each.at.isoformat(timespec="seconds"), "reasons": "; ".join(each.reasons)}
        )
        for each in incident.suspects
    ]


def _errors(incident: Incident) -> list[TableRecord]:
    return [
        TableRecord(
            {
                "kind": each.signature,
                "lines": each.count,
                "before": "?" if each.before is None else str(each.before),
                "release": each.release_key,
            }
        )
        for each in incident.signatures
    ]
