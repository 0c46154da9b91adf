"""Secrets that are made at random where nobody gave one, once for all processes, and kept for their owner alone."""

import secrets
from collections.abc import Callable
from pathlib import Path


def keep_secret(path: Path, make: Callable[[], str]) -> None:
    """Make a secret, unless it is there (mode 0600)."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_suffix(f".{secrets.token_hex(4)}")
    temporary.touch(mode=0o600)
    temporary.write_text(make())
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        pass  # Another process made it first: its secret is the one.
    finally:
        temporary.unlink()
