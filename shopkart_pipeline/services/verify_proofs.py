"""Whether whoever the ledger names did sign what it says they did.

The chain and its signed heads show that no entry was touched; this shows that none was invented: an approval and an
act of a person carry what they signed, and the key that signed it was that person's at that moment, by the
allowed-signers file of today. Who leaves is therefore given a `valid-before` there instead of being taken out. What a
machine's token or the code host proved rests on the pipeline's word.

One signature is good for one act: an entry that says what was asked for fits the statement in every word, at that
moment, in this ledger, once; what was done names a request that stands before it, and is what follows from such a one.
Whoever has a key that no longer counts can't give what he signs an earlier moment either: it would stand behind later
ones.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable, UntrustedInput
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.ports.ledger import AT_ONCE, DELIVERY, Act, Entry
from shopkart_pipeline.services.approval_statement import read_statement
from shopkart_pipeline.services.approve_release import APPROVE
from shopkart_pipeline.services.authenticate import ACT, ASKED, SIGNATURE, TOKEN, RequestedAct, is_fresh, read_act
from shopkart_pipeline.services.drive_rollout import ABORT
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import ROLL_BACK, TURN_BACK
from shopkart_pipeline.services.rerun_stages import VERB as RERUN

_INCIDENT = "incident_"
_BACK = (ROLL_BACK, TURN_BACK, ABORT)
_FOLLOWS: Mapping[Verb, tuple[str, ...]] = {
    Verb.ROLL_BACK: _BACK,
    Verb.HANDLE_INCIDENT: _BACK,
    Verb.RERUN: (RERUN,),
    Verb.RERUN_PRODUCTION: (RERUN,),
}
"""What is done where somebody has asked for it; an incident's steps likewise."""
_LONGEST = timedelta(days=1)
"""Between what was asked for and what was done."""
_CLOCKS_DIFFER = timedelta(hours=1)
"""What is written at once by several machines may be of moments that are that far apart."""


@dataclass(frozen=True)
class Proofs:
    """What became of all that was signed by people."""

    proved: int
    wrong: tuple[str, ...]
    """One line each, with the number of the entry."""


def verify_proofs(platform: Platform, first: int = 1) -> Proofs:
    """Check what people signed, from an entry on."""
    proved, wrong, seen = 0, list[str](), _Seen(platform, first)
    for entry in _entries(platform, first):
        try:
            proved += _is_proved(platform, entry, seen)
        except PipelineError as error:
            wrong.append(f"entry {entry.sequence}: {entry.act.actor}, {entry.act.verb}: {error.what}")
        seen.note(entry.act.at)
    return Proofs(proved, tuple(wrong))


class _Seen:
    """What stood before an entry."""

    def __init__(self, platform: Platform, first: int) -> None:
        self.ledger = next((entry.entry_hash for entry in platform.ledger.after(0, 1)), "")
        self.is_whole = first <= 1
        self.asked: dict[str, datetime] = {}
        """When what was asked for came into the ledger, by the number that is used once."""
        self._now = platform.clock.now()
        self._newest: datetime | None = None

    def note(self, at: datetime) -> None:
        if at <= self._now and (self._newest is None or at > self._newest):
            self._newest = at

    def check_moment(self, at: datetime) -> None:
        if self._newest is not None and at < self._newest - _CLOCKS_DIFFER:
            raise UntrustedInput(f"It is of {at.isoformat()} and stands behind what is of {self._newest}.", "")


def _entries(platform: Platform, first: int) -> Iterable[Entry]:
    sequence = first - 1
    while page := platform.ledger.after(sequence, AT_ONCE):
        yield from page
        sequence = page[-1].sequence


def _signed(act: Act) -> str | None:
    """What a person signed; None where it was no signature that proved the act."""
    if SIGNATURE not in act.body:
        return None
    return act.body.get("statement" if act.verb == APPROVE else ACT, "")


def _is_proved(platform: Platform, entry: Entry, seen: _Seen) -> bool:
    """Whether a signature proves it; False for what needs none. Raises `UntrustedInput` where it should."""
    act, signed = entry.act, _signed(entry.act)
    if signed is None:
        if act.verb.startswith(ASKED) and not (TOKEN in act.body or "payload" in act.body):
            raise UntrustedInput("Nothing says how it was proved who asks.", "")
        return False
    name = platform.verifier.signer_of(signed.encode(), act.body[SIGNATURE], _signers(platform), act.at)
    if name != act.actor:
        raise UntrustedInput(f"It was signed by {name}.", "")
    seen.check_moment(act.at)
    if act.verb == APPROVE:
        said = read_statement(signed)
        if (said.service, said.release_key, said.digest) != (act.service, act.release_key, act.digest):
            raise UntrustedInput("What was signed is about another release.", "")
        return True
    asked = read_act(signed.encode())
    if asked.ledger and asked.ledger != seen.ledger:
        raise UntrustedInput("What was signed is meant for another ledger.", "")
    if act.verb.startswith(ASKED):
        _check_request(act, asked, seen)
    else:
        _check_done(act, asked, seen)
    return True


def _check_request(act: Act, asked: RequestedAct, seen: _Seen) -> None:
    """That an entry says what was asked for, then and once."""
    if act.verb != f"{ASKED}{asked.verb}":
        raise UntrustedInput(f"What was signed is to {asked.verb.replace('_', ' ')}.", "")
    if (asked.service, asked.release_key) != (act.service, act.release_key):
        raise UntrustedInput(f"What was signed is about {asked.service} {asked.release_key}.", "")
    if any(act.body.get(name) != text for name, text in asked.arguments.items()):
        raise UntrustedInput("What was signed is in other words.", "")
    if not is_fresh(asked.at, act.at):
        raise UntrustedInput(f"What was signed is of {asked.at.isoformat()}.", "")
    if asked.nonce in seen.asked or act.body.get(DELIVERY) != f"act-{asked.nonce}":
        raise UntrustedInput("What was signed was used before.", "")
    seen.asked[asked.nonce] = act.at


def _check_done(act: Act, asked: RequestedAct, seen: _Seen) -> None:
    """That what was done was asked for."""
    if asked.service not in ("", act.service):
        raise UntrustedInput(f"What was signed is about {asked.service}.", "")
    if asked.release_key not in ("", act.release_key):
        raise UntrustedInput("What was signed is about another release.", "")
    is_step = asked.verb is Verb.HANDLE_INCIDENT and act.verb.startswith(_INCIDENT)
    if not is_step and act.verb not in _FOLLOWS.get(asked.verb, ()):
        raise UntrustedInput(f"What was signed is to {asked.verb.replace('_', ' ')}.", "")
    at = seen.asked.get(asked.nonce)
    if at is None and seen.is_whole:
        raise UntrustedInput("What was signed is not in the ledger as something that was asked for.", "")
    if not timedelta() <= act.at - (at or asked.at) + _CLOCKS_DIFFER <= _LONGEST:
        raise UntrustedInput(f"What was signed is of {asked.at.isoformat()}.", "")


def _signers(platform: Platform) -> Path:
    if platform.pipeline.allowed_signers is None:
        raise ToolUnavailable("no allowed-signers file is declared, so nobody can tell.", "")
    return platform.pipeline.allowed_signers
