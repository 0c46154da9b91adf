"""Processes that write to a store as fast as they can, and tell what was acknowledged."""

import subprocess
import sys
from pathlib import Path

_WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from shopkart_pipeline.adapters.sqlite_evidence import SqliteEvidenceStore
from shopkart_pipeline.adapters.sqlite_inbox import SqliteInbox
from shopkart_pipeline.adapters.sqlite_ledger import SqliteLedger
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.ports.ledger import Act

kind, place, name, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
now = datetime(2025, 3, 4, 12, 0, tzinfo=UTC)
if place.startswith("postgresql:"):
    from shopkart_pipeline.adapters.postgres_ledger import PostgresLedger
    store = PostgresLedger(place)
else:
    store = {"ledger": SqliteLedger, "inbox": SqliteInbox, "evidence": SqliteEvidenceStore}[kind](Path(place))
for number in range(count):
    told = f"{name}-{number}"
    if kind == "ledger":
        store.append(Act(now, name, "approve", "backend", told, "sha256:x", {"text": "x" * 500}))
    elif kind == "inbox":
        store.put(Delivery(told, "push", now, b"x" * 500))
    else:
        store.note(Note("backend", "key", now, "rollout", told, {"text": "x" * 500}))
    print(told, flush=True)
"""


def start_writer(kind: str, path: Path | str, name: str, count: int) -> subprocess.Popen[str]:
    """Start a process that writes `count` times and prints a line for each write that was acknowledged.

    Args:
        kind: `ledger`, `inbox` or `evidence`.
        path: of the store, or the address of a ledger in PostgreSQL.
        name: begins the name of everything that it writes.
        count: how many writes.
    """
    arguments = [sys.executable, "-c", _WRITER, kind, str(path), name, str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def acknowledged(process: subprocess.Popen[str]) -> list[str]:
    """Everything that a writer was told is durable, once it has ended or was killed."""
    assert process.stdout is not None
    # Not by `communicate`, which passes over what the stream has read ahead for an earlier line.
    with process.stdout as stream:
        lines = stream.read().split("\n")
    process.wait(60)
    return lines[:-1]  # What stands behind the last line's end was cut short.
