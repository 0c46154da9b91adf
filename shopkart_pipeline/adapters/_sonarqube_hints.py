"""Hints that a task of SonarQube's compute engine has ended: empty files, named by the task.

The webhook leaves them, whoever waits for the task takes them. A hint decides nothing: it only ends a pause early, and
the result is read from the server. Hints that nobody waits for, since the server tells of every project, are swept
after a day.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_KEPT = timedelta(days=1)


@dataclass(frozen=True)
class Hints:
    """The folder of hints."""

    folder: Path

    def leave(self, task_id: str) -> None:
        """Say that a task has ended.

        Raises:
            ValueError: that is no task id.
            OSError: the hint can't be written.
        """
        if not TASK_ID.fullmatch(task_id):
            raise ValueError("not a task id")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / task_id).touch()

    def take(self, task_id: str) -> bool:
        """Whether somebody said so since the last time that this was asked."""
        try:
            (self.folder / task_id).unlink()
        except OSError:
            return False
        return True

    def sweep(self, now: datetime) -> None:
        """Remove what is older than a day."""
        with suppress(OSError):
            for hint in self.folder.iterdir():
                with suppress(OSError):
                    if now - datetime.fromtimestamp(hint.stat().st_mtime, UTC) > _KEPT:
                        hint.unlink()
