"""What was in an environment, as the ledger tells: the base of new-code rules and the target of a rollback."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.release_unit import ReleaseUnit
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.authenticate import proof_of
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.sign_ledger import sign_head

PROMOTE, ROLL_BACK, BOOTSTRAP = "promote", "roll_back", "bootstrap"
TURN_BACK = "turn_back"
"""A release left an environment again, or never got through: by the judge, by a deadline or by hand."""
_PLACED = frozenset({PROMOTE, ROLL_BACK, BOOTSTRAP})


@dataclass(frozen=True)
class Placed:
    """A release that took an environment."""

    at: datetime
    release_key: str
    digest: str
    commit: str
    how: str
    configuration: str | None = None
    """Digest of what the image runs with; None for what was placed before configurations had one."""
    workload: str | None = None
    """Digest of the report that says all of it (see `recall_workload`); None as above."""

    @property
    def unit(self) -> ReleaseUnit:
        """What came there together."""
        return ReleaseUnit(self.digest, self.configuration)


def record_placement(
    platform: Platform, verb: str, service: str, environment: str, placed: Placed, actor: str, reason: str
) -> None:
    """Write into the ledger that a release took an environment; saying it again changes nothing."""
    body = {**_body(environment, placed, reason), **proof_of(actor)}
    act = Act(placed.at, str(actor), verb, service, placed.release_key, placed.digest, body)
    _append_once(platform, act)


def record_turn_back(
    platform: Platform, service: str, environment: str, turned: Placed, actor: str, reason: str
) -> None:
    """Write into the ledger that a release was turned back; saying it again changes nothing."""
    body = {**_body(environment, turned, reason), **proof_of(actor)}
    _append_once(platform, Act(turned.at, str(actor), TURN_BACK, service, turned.release_key, turned.digest, body))


def _body(environment: str, placed: Placed, reason: str) -> dict[str, str]:
    unit = {"configuration": placed.configuration, "workload": placed.workload}
    known = {name: value for name, value in unit.items() if value is not None}
    return {"environment": environment, "commit": placed.commit, "reason": reason, **known}


def last_turn_back(platform: Platform, service: str, release_key: str, environment: str) -> int:
    """The number of the ledger's newest entry that says that the release was turned back; 0 if none does."""
    numbers = (
        entry.sequence
        for entry in platform.ledger.entries(service, release_key)
        if entry.act.verb == TURN_BACK and entry.act.body.get("environment") == environment
    )
    return max(numbers, default=0)


def placements(platform: Platform, service: str, environment: str) -> tuple[Placed, ...]:
    """Releases that took the environment, oldest first."""
    return tuple(reversed([*newest_placements(platform, service, environment)]))


def newest_placements(platform: Platform, service: str, environment: str) -> Iterator[Placed]:
    """The same, newest first; of a long history only as much is read as is asked for."""
    for entry in platform.ledger.newest_first(service):
        act = entry.act
        if act.verb in _PLACED and act.body.get("environment") == environment:
            configuration, workload = act.body.get("configuration"), act.body.get("workload")
            yield Placed(act.at, act.release_key, act.digest, act.body["commit"], act.verb, configuration, workload)


def current(platform: Platform, service: str, environment: str) -> Placed | None:
    """The release that took the environment last; None before the first."""
    return next(newest_placements(platform, service, environment), None)


def before_current(platform: Platform, service: str, environment: str) -> Placed | None:
    """Where a rollback goes: the unit that the present one replaced. What was rolled back is no way back."""
    standing: list[Placed] = []
    for placed in placements(platform, service, environment):
        while placed.how == ROLL_BACK and standing and not standing[-1].unit.is_same(placed.unit):
            standing.pop()
        if not standing or not standing[-1].unit.is_same(placed.unit):
            standing.append(placed)
    return standing[-2] if len(standing) > 1 else None


def _append_once(platform: Platform, act: Act) -> None:
    if all(entry.act != act for entry in platform.ledger.entries(act.service, act.release_key)):
        platform.ledger.append(act)
        environment = platform.pipeline.environments.get(act.body["environment"])
        if environment is not None and environment.phase is Phase.PRODUCTION:
            sign_head(platform)
