"""Shows in the interface that a change does not concern a service: an observation of the service's source, once per
release that it did not become. It is shown, not counted; the note in the evidence store is the record.
"""

from collections.abc import Sequence
from pathlib import Path

from dagster import AssetObservation, AssetRecordsFilter, DagsterInstance, MetadataValue

from shopkart_pipeline.defs.keys import asset_key
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.engine.file_lock import file_lock
from shopkart_pipeline.ports.evidence_store import Note


def show_not_affected(instance: DagsterInstance, notes: Sequence[Note]) -> None:
    """Report the observations that are not there yet; of several who do so at once, one does."""
    if notes:
        with file_lock(Path(instance.root_directory) / ".not_affected.lock"):
            for note in notes:
                _show(instance, note)


def _show(instance: DagsterInstance, note: Note) -> None:
    key = asset_key(note.service, StageKind.SOURCE.value)
    known = AssetRecordsFilter(key, asset_partitions=[note.release_key])
    if instance.fetch_observations(known, limit=1).records:
        return
    metadata = {
        "outcome": MetadataValue.text("not affected"),
        "reason": MetadataValue.text(note.message),
        **{name: MetadataValue.text(str(note.data[name] or "none")) for name in ("commit", "base", "looked_at")},
    }
    instance.report_runless_asset_event(
        AssetObservation(
            key, partition=note.release_key, description=f"not affected: {note.message}", metadata=metadata
        )
    )
