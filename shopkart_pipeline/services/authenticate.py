"""Who asks for an act, proved, and whether they may.

A person signs a statement of the act (what, about what, with which words, when, for which ledger) with their SSH key; a
machine shows a token, of which the declaration knows the SHA-256 alone. Order of checks: whose word it is, whether it
is fresh, whether their role suffices, and last, in the ledger itself, that it was not used before. What is accepted is
an entry of its own before anything is done, so there is no act that nobody asked for, and one statement is good for
one act.

`Principal` is the name of whoever was proved to ask, and carries the proof; services that write an act into the ledger
put both there. A name that is no `Principal` was not proved, and its entries have no proof.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.errors import Refused, UntrustedInput
from shopkart_pipeline.domain.evidence import RawReport
from shopkart_pipeline.domain.roles import ALLOWED, Verb
from shopkart_pipeline.domain.secret_shapes import without_secrets
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.ports.ledger import DELIVERY, Act, is_of_delivery
from shopkart_pipeline.ports.signer import Signer
from shopkart_pipeline.services.platform import Platform

ASKED = "ask_"
"""Verbs of the ledger's entries about what was asked for begin with it."""
WEB_INTERFACE = "web interface, not authenticated"
"""Dagster's own interface has no login: whoever reaches it is this."""
ACT, SIGNATURE, TOKEN = "act", "signature", "token"
_KIND = "shopkart act, version 1"
_FRESH = timedelta(minutes=5)
_CLOCKS_DIFFER = timedelta(minutes=1)
_SHORTEST_TOKEN = 32
_FIX = "Sign with your SSH key (`--key FILE`), or give a machine's token in SHOPKART_TOKEN_FILE."


class Principal(str):
    """A name that was proved, with its proof as the ledger keeps it."""

    __slots__ = ("proof",)
    proof: Mapping[str, str]

    def __new__(cls, name: str, proof: Mapping[str, str] | None = None) -> "Principal":
        made = super().__new__(cls, name)
        made.proof = proof or {}
        return made


@dataclass(frozen=True)
class Credentials:
    """What somebody shows. A token is taken before a key."""

    signer: Signer | None = None
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class RequestedAct:
    """What is asked for, as it is signed."""

    verb: Verb
    service: str
    release_key: str
    """Empty for what is about no release."""
    arguments: Mapping[str, str]
    at: datetime
    nonce: str
    ledger: str
    """Hash of the first entry of the ledger that it is meant for; empty for a new one."""

    def to_bytes(self) -> bytes:
        """The bytes that are signed."""
        said = {
            name: getattr(self, name) for name in ("verb", "service", "release_key", "arguments", "nonce", "ledger")
        }
        return canonical_json({"kind": _KIND, "at": self.at, **said})


def request(platform: Platform, verb: Verb, service: str = "", release_key: str = "", **arguments: str) -> RequestedAct:
    """An act that somebody asks for now."""
    first = platform.ledger.after(0, 1)
    ledger = first[0].entry_hash if first else ""
    said = {name: without_secrets(" ".join(text.split())) for name, text in arguments.items()}
    return RequestedAct(verb, service, release_key, said, platform.clock.now(), secrets.token_hex(16), ledger)


def authenticate(platform: Platform, act: RequestedAct, credentials: Credentials) -> Principal:
    """The principal who asks for an act, if they may; it is in the ledger then.

    Raises:
        Refused: nobody is proved to ask, their role does not suffice, or it is too old or was used before.
        UntrustedInput: the signature or the token is nobody's.
    """
    if credentials.token:
        return accept_token(platform, act, credentials.token)
    if credentials.signer is None:
        raise Refused(f"Nobody says who asks to {_words(act.verb)}.", _FIX)
    return accept_signed(platform, act.to_bytes(), credentials.signer.sign(act.to_bytes()))


def accept_signed(platform: Platform, statement: bytes, signature: str) -> Principal:
    """The principal behind a signed statement of an act; raises as `authenticate`."""
    signers = platform.pipeline.allowed_signers
    if signers is None:
        fix = f"Declare `trust: {{allowed_signers: FILE}}` in {platform.pipeline.file}."
        raise Refused("Nobody can sign here: no allowed-signers file is declared.", fix)
    name = platform.verifier.signer_of(statement, signature, signers, platform.clock.now())
    act = read_act(statement)
    return _accepted(platform, act, Principal(name, {ACT: statement.decode(), SIGNATURE: signature}))


def accept_token(platform: Platform, act: RequestedAct, token: str) -> Principal:
    """The machine that a token belongs to; raises as `authenticate`. The token is in no message and in no entry."""
    machine = platform.pipeline.roles.machine_of(token) if len(token) >= _SHORTEST_TOKEN else None
    if machine is None:
        raise UntrustedInput(
            "The token is no machine's.", "`roles.machines` declares machines by their tokens' SHA-256."
        )
    if machine.expires_at <= platform.clock.now():
        raise Refused(
            f"The token of {machine.principal} expired on {machine.expires_at:%Y-%m-%d}.",
            "Make another one, and declare its SHA-256 with its day.",
        )
    return _accepted(platform, act, Principal(machine.principal, {ACT: act.to_bytes().decode(), TOKEN: machine.name}))


def accept_told(
    platform: Platform, verb: Verb, service: str, release_key: str, person: str, delivery: Delivery
) -> Principal:
    """The person whom the code host tells to ask for an act about a release, by a delivery that was verified.

    Raises:
        Refused: roles are declared, and theirs does not suffice.
    """
    if platform.pipeline.roles.is_declared:
        check_role(platform, person, verb)
    told = platform.evidence.put_report(RawReport(f"{delivery.event}.json", "application/json", delivery.body))
    proof = {DELIVERY: delivery.id, "event": delivery.event, "payload": told.digest}
    platform.ledger.append_once(Act(platform.clock.now(), person, f"{ASKED}{verb}", service, release_key, "", proof))
    return Principal(person, proof)


def asked_in(platform: Platform, verb: Verb, service: str, delivery_id: str) -> tuple[Principal, str] | None:
    """Who asked for an act about which release in a delivery, as the ledger has it; None where nobody did."""
    for entry in platform.ledger.newest_first(service):
        if is_of_delivery(entry.act, f"{ASKED}{verb}", delivery_id):
            return Principal(entry.act.actor, entry.act.body), entry.act.release_key
    return None


def proof_of(actor: str) -> Mapping[str, str]:
    """What the ledger keeps beside an act of `actor`; empty for a name that nobody proved."""
    return actor.proof if isinstance(actor, Principal) else {}


def check_button(platform: Platform, verb: Verb) -> str:
    """The actor of what is pressed in the web interface; raises `Refused` where that may not be done there."""
    if verb in platform.pipeline.roles.buttons:
        return WEB_INTERFACE
    raise Refused(
        f"The web interface may not {_words(verb)} here.", f"Use the command, or name {verb} in `roles.web_interface`."
    )


def check_role(platform: Platform, principal: str, verb: Verb) -> None:
    """Raises `Refused` where no role of theirs suffices."""
    roles = platform.pipeline.roles
    if roles.may(principal, verb):
        return
    needed = " or ".join(sorted(ALLOWED[verb]))
    has = ", ".join(sorted(roles.of(principal))) or "no role"
    others = ", ".join(roles.who_may(verb)) or "nobody"
    raise Refused(f"{principal} has {has} and may not {_words(verb)}: that needs {needed}.", f"Who may: {others}.")


def _accepted(platform: Platform, act: RequestedAct, principal: Principal) -> Principal:
    now = platform.clock.now()
    if not is_fresh(act.at, now):
        raise Refused(f"What {principal} signed is of {act.at.isoformat()}: too old, or not yet.", "Ask again.")
    first = platform.ledger.after(0, 1)
    if act.ledger != (first[0].entry_hash if first else ""):
        raise Refused(f"What {principal} signed is meant for another ledger.", "Ask again, where it is to be done.")
    check_role(platform, principal, act.verb)
    attempt = secrets.token_hex(8)
    body = {**act.arguments, **principal.proof, DELIVERY: f"act-{act.nonce}", "attempt": attempt}
    asked = Act(now, str(principal), f"{ASKED}{act.verb}", act.service, act.release_key, "", body)
    if platform.ledger.append_once(asked).act.body.get("attempt") != attempt:
        raise Refused(f"What {principal} signed was used before.", "One signature is good for one act; ask again.")
    return principal


def is_fresh(signed_at: datetime, now: datetime) -> bool:
    """Whether what was signed then still counts now."""
    return now - _FRESH <= signed_at <= now + _CLOCKS_DIFFER


def read_act(statement: bytes) -> RequestedAct:
    """A statement that was signed. Raises `UntrustedInput` for what is none."""
    try:
        said = json.loads(statement)
        if said.pop("kind") != _KIND:
            raise ValueError("another kind")
        at = datetime.fromisoformat(said.pop("at"))
        arguments = {str(name): str(value) for name, value in said.pop("arguments").items()}
        others = {str(name): str(value) for name, value in said.items()}
        act = RequestedAct(verb=Verb(others.pop("verb")), at=at, arguments=arguments, **others)
        if len(act.nonce) < _SHORTEST_TOKEN or at.tzinfo is None or act.to_bytes() != statement:
            raise ValueError("not as it is written")
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UntrustedInput("What was signed is no statement of an act.", "Ask again.") from error
    return act


def _words(verb: Verb) -> str:
    return verb.value.replace("_", " ")
