"""Who may do what: five roles, each with no more than it needs, and the people and machines who have them.

`author` changes code and may have its checks run again. `approver` agrees to a release; each environment's `approvers`
say whose agreement counts there, and nobody approves a change of their own. `operator` keeps production well: goes
back, handles incidents, looks after backups and keys. `auditor` looks, and signs the ledger's head. `pipeline` is the
pipeline itself and its machines: what a schedule does, they may do, and nothing that needs a person.

Where no role is declared, whoever approves for an environment is operator too, and nobody has another role. Where
roles are declared, a role that is not named is nobody's.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What somebody is to the pipeline."""

    AUTHOR = "author"
    APPROVER = "approver"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    PIPELINE = "pipeline"


class Verb(StrEnum):
    """What changes something, and so needs somebody who may."""

    APPROVE = "approve"
    ROLL_BACK = "roll_back"
    RERUN = "rerun"
    RERUN_PRODUCTION = "rerun_production"
    HANDLE_INCIDENT = "handle_incident"
    RESCAN = "rescan"
    BACK_UP = "back_up"
    RESTORE = "restore"
    DRILL_RECOVERY = "drill_recovery"
    TEST_CHANNEL = "test_channel"
    ROTATE_KEY = "rotate_key"
    SIGN_LEDGER = "sign_ledger"


ALLOWED: Mapping[Verb, frozenset[Role]] = {
    Verb.APPROVE: frozenset({Role.APPROVER}),
    Verb.ROLL_BACK: frozenset({Role.OPERATOR}),
    Verb.RERUN: frozenset({Role.AUTHOR, Role.OPERATOR, Role.PIPELINE}),
    Verb.RERUN_PRODUCTION: frozenset({Role.OPERATOR}),
    Verb.HANDLE_INCIDENT: frozenset({Role.OPERATOR}),
    Verb.RESCAN: frozenset({Role.OPERATOR, Role.PIPELINE}),
    Verb.BACK_UP: frozenset({Role.OPERATOR, Role.PIPELINE}),
    Verb.RESTORE: frozenset({Role.OPERATOR}),
    Verb.DRILL_RECOVERY: frozenset({Role.OPERATOR, Role.PIPELINE}),
    Verb.TEST_CHANNEL: frozenset({Role.OPERATOR}),
    Verb.ROTATE_KEY: frozenset({Role.OPERATOR}),
    Verb.SIGN_LEDGER: frozenset({Role.OPERATOR, Role.AUDITOR, Role.PIPELINE}),
}
"""Which roles may do it; each of them suffices."""
MEANING: Mapping[Verb, str] = {
    Verb.APPROVE: "agree to a release (each environment names whose agreement counts)",
    Verb.ROLL_BACK: "bring production back to the release before",
    Verb.RERUN: "run stages of continuous integration or staging again",
    Verb.RERUN_PRODUCTION: "run stages of production again (the release still needs its approvals)",
    Verb.HANDLE_INCIDENT: "open an incident, go through its steps, take its release back, close it",
    Verb.RESCAN: "scan what runs in production now",
    Verb.BACK_UP: "back up now",
    Verb.RESTORE: "write what a backup holds to a file",
    Verb.DRILL_RECOVERY: "recover from the newest backups beside everything that runs",
    Verb.TEST_CHANNEL: "send a test to a channel",
    Verb.ROTATE_KEY: "have the signer take a new key",
    Verb.SIGN_LEDGER: "sign the ledger's head",
}
BUTTONS = (Verb.ROLL_BACK, Verb.RERUN, Verb.HANDLE_INCIDENT)
"""What the web interface, which has no login, may do unless the declaration says otherwise."""


@dataclass(frozen=True)
class Machine:
    """A machine that shows a token. The token itself is nowhere here."""

    name: str
    role: Role
    token_digest: str
    """SHA-256 of the token, in hexadecimal digits."""
    expires_at: datetime

    @property
    def principal(self) -> str:
        return f"machine:{self.name}"


@dataclass(frozen=True)
class Roles:
    """Who has which role."""

    members: Mapping[Role, tuple[str, ...]] = field(default_factory=dict[Role, tuple[str, ...]])
    machines: tuple[Machine, ...] = ()
    buttons: tuple[Verb, ...] = BUTTONS
    """What may be done in the web interface, by whoever reaches it."""
    is_declared: bool = False

    def of(self, principal: str) -> frozenset[Role]:
        """The roles of a person or a machine."""
        folded = principal.casefold()
        found = {role for role, names in self.members.items() if folded in {name.casefold() for name in names}}
        return frozenset(found | {each.role for each in self.machines if each.principal == principal})

    def may(self, principal: str, verb: Verb) -> bool:
        """Whether one of their roles suffices."""
        return bool(self.of(principal) & ALLOWED[verb])

    def who_may(self, verb: Verb) -> tuple[str, ...]:
        """Everybody who may, in the order of roles."""
        people = [name for role in Role if role in ALLOWED[verb] for name in self.members.get(role, ())]
        machines = [each.principal for each in self.machines if each.role in ALLOWED[verb]]
        return tuple(dict.fromkeys([*people, *machines]))

    def machine_of(self, token: str) -> Machine | None:
        """The machine that a token belongs to, expired or not."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        matching = [each for each in self.machines if hmac.compare_digest(each.token_digest, digest)]
        return matching[0] if matching else None
