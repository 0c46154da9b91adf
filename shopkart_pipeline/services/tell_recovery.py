"""What came of a backup or of a drill is remembered, and people are told when it failed and when that is over."""

from collections.abc import Mapping, Sequence

from shopkart_pipeline.domain.notification import Notification, Urgency
from shopkart_pipeline.domain.verdict import GateResult, Outcome
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.notify import notify
from shopkart_pipeline.services.platform import Platform

DATABASES = "databases"
"""The notes are kept under this word and the database's name."""
_NOTHING: Mapping[str, str | float | None] = {}


def tell_recovery(
    platform: Platform,
    kind: str,
    database: str,
    lines: Sequence[GateResult],
    words: str,
    data: Mapping[str, str | float | None] = _NOTHING,
) -> None:
    """Remember lines, and tell a failure once a day, and its end.

    Args:
        platform: the ports.
        kind: of the note.
        database: which one.
        lines: what came of it.
        words: the same as one line.
        data: what else is remembered.
    """
    now, failed = platform.clock.now(), any(line.outcome is not Outcome.PASS for line in lines)
    was_failed = _failed_before(platform, kind, database)
    outcomes = {line.gate: line.outcome.value for line in lines}
    platform.evidence.note(Note(DATABASES, database, now, kind, words, {**outcomes, **data, "failed": failed}))
    told, key = kind.replace("_", " "), f"{kind}/{database}/{now:%Y-%m-%d}"
    if failed:
        body = "\n".join(line.line for line in lines)
        subject = f"The {told} of {database} failed"
        notification = Notification(key, f"{kind}-{database}", subject, body, urgency=Urgency.NORMAL)
    elif was_failed:
        subject = f"The {told} of {database} works again"
        notification = Notification(f"{key}/over", f"{kind}-{database}", subject, words, urgency=Urgency.OVER)
    else:
        return
    notify(platform, notification)


def _failed_before(platform: Platform, kind: str, database: str) -> bool:
    last = platform.evidence.notes(DATABASES, database, kind)[-1:]
    return bool(last and last[0].data.get("failed"))
