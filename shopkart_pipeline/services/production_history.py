"""What was in an environment, as the ledger tells: the base of new-code rules and the target of a rollback."""

from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.platform import Platform

PROMOTE, ROLL_BACK, BOOTSTRAP = "promote", "roll_back", "bootstrap"
_PLACED = frozenset({PROMOTE, ROLL_BACK, BOOTSTRAP})


@dataclass(frozen=True)
class Placed:
    """A release that took an environment."""

    at: datetime
    release_key: str
    digest: str
    commit: str
    how: str


def record_placement(
    platform: Platform, verb: str, service: str, environment: str, placed: Placed, actor: str, reason: str
) -> None:
    """Write into the ledger that a release took an environment."""
    body = {"environment": environment, "commit": placed.commit, "reason": reason}
    platform.ledger.append(Act(placed.at, actor, verb, service, placed.release_key, placed.digest, body))


def placements(platform: Platform, service: str, environment: str) -> tuple[Placed, ...]:
    """Releases that took the environment, oldest first."""
    return tuple(
        Placed(entry.act.at, entry.act.release_key, entry.act.digest, entry.act.body["commit"], entry.act.verb)
        for entry in platform.ledger.entries(service)
        if entry.act.verb in _PLACED and entry.act.body.get("environment") == environment
    )


def current(platform: Platform, service: str, environment: str) -> Placed | None:
    """The release that took the environment last; None before the first."""
    history = placements(platform, service, environment)
    return history[-1] if history else None
