"""Which releases an environment's database has been contracted behind, and who may no longer come there.

A contracting migration takes away what older versions need, so from the moment at which it begins there is no way back
behind it, whether or not it ends well. That is why the ledger says it before the command runs, and once more when it is
done. A release is from before the migration if its commit is older, or if it last came to the environment earlier; the
release whose own migration it was never is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import Placed
from shopkart_pipeline.services.sign_ledger import sign_head

BEGIN_CONTRACT, CONTRACT = "begin_contract", "contract"
_VERBS = frozenset({BEGIN_CONTRACT, CONTRACT})
ROLL_FORWARD = "Roll forward: merge a fix, or the change reverted, and release that."


@dataclass(frozen=True)
class Contracted:
    """A contracting migration that has begun."""

    at: datetime
    release_key: str
    digest: str
    is_done: bool


def newest_contract(platform: Platform, service: str, environment: str) -> Contracted | None:
    """The newest contracting migration in an environment, as far as the ledger says; None before the first."""
    for entry in platform.ledger.newest_first(service):
        act = entry.act
        if act.verb in _VERBS and act.body.get("environment") == environment:
            return Contracted(act.at, act.release_key, act.digest, act.verb == CONTRACT)
    return None


def is_contracted(platform: Platform, service: str, environment: str, release_key: str, digest: str) -> bool:
    """Whether a release has contracted the database, or a newer one has."""
    contract = newest_contract(platform, service, environment)
    if contract is None or not contract.is_done:
        return False
    return contract.release_key > release_key or (contract.release_key, contract.digest) == (release_key, digest)


def behind_contract(platform: Platform, service: str, environment: str, release_key: str) -> str | None:
    """Why a release may not be deployed to an environment any more; None if it may."""
    contract = newest_contract(platform, service, environment)
    if contract is None or release_key >= contract.release_key:
        return None
    return _line(service, environment, release_key, contract)


def no_way_back(platform: Platform, service: str, environment: str, target: Placed) -> str | None:
    """Why an environment can't go back to a release that stood there before; None if it can."""
    contract = newest_contract(platform, service, environment)
    if contract is None or target.release_key == contract.release_key:
        return None
    if target.release_key > contract.release_key and target.at > contract.at:
        return None
    return _line(service, environment, target.release_key, contract)


def record_contract(
    platform: Platform,
    verb: str,
    service: str,
    environment: str,
    release_key: str,
    digest: str,
    facts: Mapping[str, str],
) -> None:
    """Write into the ledger that a contracting migration begins, or is done; saying it again changes nothing."""
    for entry in platform.ledger.entries(service, release_key):
        act = entry.act
        if (act.verb, act.digest, act.body.get("environment")) == (verb, digest, environment):
            return
    body = {"environment": environment, **facts}
    platform.ledger.append(Act(platform.clock.now(), "pipeline", verb, service, release_key, digest, body))
    sign_head(platform)


def _line(service: str, environment: str, release_key: str, contract: Contracted) -> str:
    at = contract.at.isoformat(timespec="seconds")
    done = "has contracted" if contract.is_done else "began to contract"
    return (
        f"migration: {contract.release_key} {done} the database of {service} in {environment} at {at}, "
        f"and {release_key} is from before that"
    )
