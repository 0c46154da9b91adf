"""The work items that rescans opened and closed: kept as notes of the release, told by `notify`.

Only what changes is kept, so opening what is open, or closing what is closed, is nothing. An item that comes back is
opened again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from shopkart_pipeline.domain.notification import Notification, Urgency
from shopkart_pipeline.domain.work_item import WorkItem
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.notify import notify
from shopkart_pipeline.services.platform import Platform

WORK_ITEM = "work_item"
"""Kind of the notes."""
_LOOKED_AT = 10_000
_NAMES = tuple(each.name for each in fields(WorkItem))


@dataclass(frozen=True)
class ItemState:
    """An item as it stands."""

    item: WorkItem
    opened_at: datetime
    closed_at: datetime | None = None
    closed_because: str = ""

    @property
    def is_open(self) -> bool:
        return self.closed_at is None


def work_items(platform: Platform, service: str | None = None) -> tuple[ItemState, ...]:
    """The items as they stand, those that changed last first."""
    events: dict[str, list[Note]] = {}
    for note in platform.evidence.newest_notes(WORK_ITEM, service, _LOOKED_AT):
        events.setdefault(str(note.data["id"]), []).append(note)
    return tuple(map(_state, events.values()))


def open_items(platform: Platform, service: str) -> tuple[WorkItem, ...]:
    """Those of a service that are open."""
    return tuple(state.item for state in work_items(platform, service) if state.is_open)


def open_item(platform: Platform, item: WorkItem, reason: str) -> None:
    """Open an item that is not open, and tell it."""
    _note(platform, item, "open", reason)
    body = (
        f"{item.message}\n\n{item.service} {item.release_key} runs in production with it ({item.digest}). "
        f"Today's policy would not let it: {reason}."
    )
    _tell(platform, item, "open", f"{item.service}: {item.subject}", body, Urgency.NORMAL)


def close_item(platform: Platform, item: WorkItem, reason: str) -> None:
    """Close an item that is open, and tell it."""
    _note(platform, item, "closed", reason)
    _tell(platform, item, "closed", f"{item.service}: {item.subject} is done", f"{reason}.", Urgency.OVER)


def _note(platform: Platform, item: WorkItem, state: str, reason: str) -> None:
    data: Mapping[str, str] = {name: getattr(item, name) for name in _NAMES} | {"id": item.id, "state": state}
    now = platform.clock.now()
    platform.evidence.note(Note(item.service, item.release_key, now, WORK_ITEM, reason, data))


def _tell(platform: Platform, item: WorkItem, state: str, subject: str, body: str, urgency: Urgency) -> None:
    key = f"work-item/{item.id}/{state}/{platform.clock.now():%Y-%m-%d}"
    notify(platform, Notification(key, f"work-item-{item.id}", subject, body, item.link or None, urgency))


def _state(newest_first: list[Note]) -> ItemState:
    last = newest_first[0]
    item = WorkItem(**{name: str(last.data[name]) for name in _NAMES})
    opened = next((note for note in newest_first if note.data["state"] == "open"), last)
    if last.data["state"] == "open":
        return ItemState(item, opened.at)
    return ItemState(item, opened.at, last.at, last.message)
