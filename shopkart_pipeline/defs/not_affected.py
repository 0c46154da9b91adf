"""Shows in the interface that a change does not concern a service: an observation of the service's source, once per
release that it did not become. It is shown, not counted; the note in the evidence store is the record.
"""

from collections.abc import Sequence

from dagster import AssetObservation, DagsterInstance, MetadataValue

from shopkart_pipeline.defs.keys import asset_key
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.engine.observations import report_once
from shopkart_pipeline.ports.evidence_store import Note


def show_not_affected(instance: DagsterInstance, notes: Sequence[Note]) -> None:
    """Show what was noted."""
    report_once(instance, [_observation(note) for note in notes])


def _observation(note: Note) -> AssetObservation:
    return AssetObservation(
        asset_key(note.service, StageKind.SOURCE.value),
        partition=note.release_key,
        description=f"not affected: {note.message}",
        metadata={
            "outcome": MetadataValue.text("not affected"),
            "reason": MetadataValue.text(note.message),
            **{name: MetadataValue.text(str(note.data[name] or "none")) for name in ("commit", "base", "looked_at")},
        },
    )
