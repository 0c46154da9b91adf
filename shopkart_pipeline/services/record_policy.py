"""What decides about releases without being asked: the declaration, and the keys that are trusted. Whoever changes one
of them changes what may run, so the ledger says so, once, before anything goes to production under it.

Each change names what counted before. That whoever decides has seen it is all that can be known: a change that was
taken back before anything was decided leaves no entry.
"""

from collections.abc import Mapping
from contextlib import suppress

from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.trusted_key import TrustedKey
from shopkart_pipeline.ports.ledger import DELIVERY, Act
from shopkart_pipeline.services.platform import Platform

CHANGE_POLICY, CHANGE_KEYS = "change_policy", "change_keys"
"""Verbs of the ledger; their entries are about no service."""


def record_policy(platform: Platform) -> None:
    """Write into the ledger which declaration counts, and which keys; what it says already is not said again."""
    _record(platform, CHANGE_POLICY, platform.pipeline.digest, {"file": platform.pipeline.file.name})
    if platform.envelopes is None:
        return
    with suppress(ToolUnavailable):  # Nobody's signature counts then, and who needs one is told.
        keys = platform.envelopes.trusted()
        if keys is not None:
            words = "; ".join(sorted(map(_words, keys.keys)))
            _record(platform, CHANGE_KEYS, digest_of(keys), {"keys": words})


def _record(platform: Platform, verb: str, digest: str, said: Mapping[str, str]) -> None:
    changes = platform.ledger.entries("", "", (verb,))
    last, before = (changes[-1].sequence, changes[-1].act.body["digest"]) if changes else (0, "none")
    if before == digest:
        return
    # Of several who see it at once, one says it.
    body = {**said, "digest": digest, "previous": before, DELIVERY: f"{digest} after {last}"}
    platform.ledger.append_once(Act(platform.clock.now(), "pipeline", verb, "", "", "", body))


def _words(key: TrustedKey) -> str:
    until = "" if key.valid_until is None else f" until {key.valid_until.isoformat()}"
    return f"{key.key_id} from {key.valid_from.isoformat()}{until}"
