"""The logs of replicas and servers: plain files that processes append to by themselves.

Nothing sits between a process and its log, so a log survives the controller. A file that grows too large is copied
and cut; the few lines that are written between both may be lost, which is the price of not being in between.
"""

import contextlib
import json
import os
import shutil
from datetime import datetime
from pathlib import Path

MOST_BYTES = 8 * 1024 * 1024
"""A log is at most twice as large, its older half included."""
_KEPT_LOGS = 40
_TAIL_BYTES = 4096
_LINE_CHARACTERS = 300


def begin_log(path: Path, replica: str, release_key: str, now: datetime) -> None:
    """Say in a replica's log that it starts, so that lines without a time have one before them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = {"time": now.isoformat(), "level": "info", "message": f"{replica} starts", "version": release_key}
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def last_line(path: Path) -> str:
    """The last line that says something, cut to a readable length; empty where there is none."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return next((line.strip()[:_LINE_CHARACTERS] for line in reversed(lines) if line.strip()), "")


def older(path: Path) -> Path:
    """Where the older half of a log is."""
    return path.with_name(f"{path.name}.1")


def rotate(folder: Path) -> None:
    """Cut every log below a folder that has grown too large, and drop the oldest logs of replicas long gone."""
    for path in folder.rglob("*.log"):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > MOST_BYTES:
                shutil.copyfile(path, older(path))
                os.truncate(path, 0)


def forget_old(folder: Path) -> None:
    """Keep the newest logs of a service; called when none of its replicas is about to write."""
    logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in logs[_KEPT_LOGS:]:
        path.unlink(missing_ok=True)
        older(path).unlink(missing_ok=True)
