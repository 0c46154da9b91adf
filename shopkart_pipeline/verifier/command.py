"""The command of the stand-alone verifier."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime, timezone

from .claims import Fault, all_proved, told
from .documents import moment_of
from .envelopes import read_keys
from .release import verify


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(description="Check an evidence bundle offline.")
    parser.add_argument("bundle", help="the file that `shopkart evidence` wrote")
    parser.add_argument(
        "--keys", required=True, help="trusted public keys (attestation-keys.json), not from the bundle"
    )
    parser.add_argument("--allowed-signers", help="who may approve; otherwise the list in the bundle, if it is signed")
    parser.add_argument("--repository", help="where the source has to be from: owner/name")
    parser.add_argument("--at", help="the moment of looking (ISO 8601 with zone); otherwise now")
    parser.add_argument("--json", action="store_true", help="print the same as JSON")
    options = parser.parse_args(arguments)
    try:
        now = moment_of(options.at) if options.at else datetime.now(timezone.utc)  # noqa: TID251 # It stands alone.
        with open(options.keys, "rb") as file:
            keys = read_keys(file.read())
        allowed = None
        if options.allowed_signers:
            with open(options.allowed_signers, "rb") as file:
                allowed = file.read()
        with open(options.bundle, "rb") as stream:
            claims = verify(stream, keys, now, allowed=allowed, repository=options.repository)
    except (OSError, ValueError, Fault) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 2
    print(json.dumps([vars(claim) for claim in claims], indent=2) if options.json else told(claims))
    return 0 if all_proved(claims) else 1
