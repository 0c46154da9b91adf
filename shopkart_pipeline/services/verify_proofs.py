"""Whether whoever the ledger names did sign what it says they did.

The chain and its signed heads show that no entry was touched; this shows that none was invented: an approval and an
act of a person carry what they signed, and the key that signed it was that person's at that moment, by the
allowed-signers file of today. Who leaves is therefore given a `valid-before` there instead of being taken out. What a
machine's token or the code host proved rests on the pipeline's word.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.ledger import AT_ONCE, Act, Entry
from shopkart_pipeline.services.approval_statement import read_statement
from shopkart_pipeline.services.approve_release import APPROVE
from shopkart_pipeline.services.authenticate import ACT, ASKED, SIGNATURE, read_act
from shopkart_pipeline.services.platform import Platform


@dataclass(frozen=True)
class Proofs:
    """What became of all that was signed by people."""

    proved: int
    wrong: tuple[str, ...]
    """One line each, with the number of the entry."""


def verify_proofs(platform: Platform, first: int = 1) -> Proofs:
    """Check what people signed, from an entry on."""
    proved, wrong = 0, list[str]()
    for entry in _entries(platform, first):
        signed = _signed(entry.act)
        if signed is None:
            continue
        try:
            _check(platform, entry.act, signed)
            proved += 1
        except PipelineError as error:
            wrong.append(f"entry {entry.sequence}: {entry.act.actor}, {entry.act.verb}: {error.what}")
    return Proofs(proved, tuple(wrong))


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


def _check(platform: Platform, act: Act, signed: str) -> None:
    signers = _signers(platform)
    name = platform.verifier.signer_of(signed.encode(), act.body[SIGNATURE], signers, act.at)
    if name != act.actor:
        raise UntrustedInput(f"It was signed by {name}.", "")
    if act.verb == APPROVE:
        said = read_statement(signed)
        if (said.service, said.release_key, said.digest) != (act.service, act.release_key, act.digest):
            raise UntrustedInput("What was signed is about another release.", "")
        return
    asked = read_act(signed.encode())
    if asked.service not in ("", act.service):
        raise UntrustedInput(f"What was signed is about {asked.service}.", "")
    if act.verb.startswith(ASKED) and act.verb != f"{ASKED}{asked.verb}":
        raise UntrustedInput(f"What was signed is to {asked.verb.replace('_', ' ')}.", "")


def _signers(platform: Platform) -> Path:
    if platform.pipeline.allowed_signers is None:
        raise ToolUnavailable("no allowed-signers file is declared, so nobody can tell.", "")
    return platform.pipeline.allowed_signers
