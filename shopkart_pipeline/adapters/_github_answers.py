"""Answers of GitHub with their ETags, so that what has not changed is neither transferred nor counted again.

GitHub answers 304 to `If-None-Match` of what it said before, which costs nothing of the rate limit. The file is bounded
and only saves time: where it can't be used, everything is asked for anew.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.adapters._sqlite import Database
from shopkart_pipeline.domain.errors import ToolUnavailable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    question TEXT PRIMARY KEY,
    etag TEXT NOT NULL,
    link TEXT NOT NULL,
    body BLOB NOT NULL,
    kept_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (kept_at);
"""
_ANSWERS = 1000
_BODY_LIMIT_BYTES = 512 * 1024


@dataclass(frozen=True)
class KeptAnswer:
    """An answer that was given before."""

    etag: str
    link: str
    """The `Link` header, which leads to the next page."""
    body: bytes


class AnswerStore:
    """Answers in one file; `path` is made when it is missing."""

    def __init__(self, path: Path, maximum_answers: int = _ANSWERS) -> None:
        self._database = Database(path, _SCHEMA)
        self._maximum_answers = maximum_answers

    def find(self, who: str, url: str) -> KeptAnswer | None:
        """What was answered last.

        Args:
            who: the identity that asked; others may see something else.
            url: the whole address.
        """
        with suppress(ToolUnavailable), self._database.reading() as connection:
            row = connection.execute("SELECT * FROM answers WHERE question = ?", (_question(who, url),)).fetchone()
            return None if row is None else KeptAnswer(row["etag"], row["link"], row["body"])
        return None

    def keep(self, who: str, url: str, answer: KeptAnswer, now: datetime) -> None:
        """Keep an answer, and let go of the oldest ones beyond the limit."""
        if not answer.etag or len(answer.body) > _BODY_LIMIT_BYTES:
            return
        with suppress(ToolUnavailable), self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)",
                (_question(who, url), answer.etag, answer.link, answer.body, now.isoformat()),
            )
            connection.execute(
                "DELETE FROM answers WHERE question IN"
                " (SELECT question FROM answers ORDER BY kept_at DESC LIMIT -1 OFFSET ?)",
                (self._maximum_answers,),
            )


def _question(who: str, url: str) -> str:
    return hashlib.sha256(f"{who}\n{url}".encode()).hexdigest()
