"""The logs of replicas and servers: plain files that processes append to by themselves.

Nothing sits between a process and its log, so a log survives the controller. A file that grows too large is copied
and cut; the few lines that are written between both may be lost, which is the price of not being in between.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.domain.secret_shapes import without_secrets

MOST_BYTES = 8 * 1024 * 1024
"""A log is at most twice as large, its older half included."""
_OURS = "shopkart.cluster"
"""Tells our lines from a replica's own."""
_KEPT_LOGS = 40
_TAIL_BYTES = 4096
_LINE_CHARACTERS = 300


def begin_log(path: Path, replica: str, release_key: str, now: datetime) -> None:
    """Say in a replica's log that it starts, so that lines without a time have one before them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = {"time": now.isoformat(), "level": "info", "logger": _OURS, "message": f"{replica} starts"}
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps({**line, "version": release_key}) + "\n")


def last_words(path: Path) -> str:
    """The last line that a replica wrote, of a structured one the message, without secrets; empty where it wrote
    nothing."""
    lines = last_lines(path, 1)
    return without_secrets(_words(lines[-1]))[:_LINE_CHARACTERS] if lines else ""


def last_lines(path: Path, most: int) -> list[str]:
    """The last lines of a log that are not empty, oldest first."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [line.strip() for line in lines if line.strip()][-most:]


def _words(line: str) -> str:
    try:
        document = json.loads(line)
        if document.get("logger") == _OURS:
            return ""
        signature = document.get("signature") or document.get("error_signature")
        return str(document["message"]) + (f" ({signature})" if signature else "")
    except (ValueError, KeyError, AttributeError):
        return line


def older(path: Path) -> Path:
    """Where the older half of a log is."""
    return path.with_name(f"{path.name}.1")


def rotate(folder: Path) -> None:
    """Cut every log below a folder that has grown too large."""
    for path in folder.rglob("*.log"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > MOST_BYTES:
                shutil.copyfile(path, older(path))
                os.truncate(path, 0)


def forget_old(folder: Path, living: Collection[str]) -> None:
    """Drop the oldest logs of a service's replicas, never those of living ones."""
    logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in [path for path in logs if path.stem not in living][_KEPT_LOGS:]:
        path.unlink(missing_ok=True)
        older(path).unlink(missing_ok=True)
