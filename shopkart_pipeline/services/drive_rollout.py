"""Tick a rollout until it has ended, as the only one who may.

A lease keeps two workers off the same service; a worker that died loses it by time. The lease is renewed every tick,
so losing it means that somebody else may act, and this worker stops at once. A cluster that does not answer for a
moment is asked again, no longer than the rollout's deadline: giving up at the first silence would leave a canary
with traffic and nobody to watch it.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.errors import Conflict, NotFound, Refused, ToolUnavailable
from shopkart_pipeline.domain.judge import Judgement
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.rollout import Action, Decision, RolloutPhase, abort
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.advance_rollout import advance
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.raise_in_rollout import raise_in_rollout
from shopkart_pipeline.services.rollout_document import RolloutDocument

LEASE_SECONDS = 15.0
TICK_SECONDS = 0.25
ABORT = "abort"
"""Verb of the ledger by which people ask for a rollout to be turned back."""


_Answer = TypeVar("_Answer")


@contextmanager
def leased(platform: Platform, deployment: Deployment, service: str, holder: str) -> Generator[None]:
    """Hold the lease on a service; wait for whoever holds it, and no longer than a rollout may take.

    Raises:
        Conflict: somebody else held it all the time.
    """
    environment, cluster = deployment.environment, platform.sites[deployment.environment].cluster
    waited, longest = 0.0, _longest_seconds(deployment)
    now = platform.clock.now

    def acquired() -> bool:
        return cluster.acquire_lease(environment, service, holder, LEASE_SECONDS, now())

    while not patiently(platform, deployment, acquired):
        if waited > longest:
            raise Conflict(f"Somebody else is changing {service} in {environment}.", "Wait for that run to end.")
        platform.clock.sleep(TICK_SECONDS)
        waited += TICK_SECONDS
    try:
        yield
    finally:
        with suppress(ToolUnavailable):  # It ends by itself, and must not hide what went wrong before.
            cluster.release_lease(environment, service, holder)


def patiently(platform: Platform, deployment: Deployment, ask: Callable[[], _Answer]) -> _Answer:
    """Ask something that may be asked again, until the cluster answers, and no longer than the rollout's deadline.

    Raises:
        ToolUnavailable: it did not answer in time.
    """
    since = platform.clock.now()
    while True:
        try:
            return ask()
        except ToolUnavailable:
            if (platform.clock.now() - since).total_seconds() > deployment.deadline_seconds:
                raise
            platform.clock.sleep(TICK_SECONDS)


def keep_lease(platform: Platform, deployment: Deployment, service: str, holder: str) -> None:
    """Renew the lease; raises `Conflict` where somebody else has it by now."""
    cluster, now = platform.sites[deployment.environment].cluster, platform.clock.now()
    if not cluster.acquire_lease(deployment.environment, service, holder, LEASE_SECONDS, now):
        raise Conflict(f"The lease on {service} was lost to somebody else.", "Look at the other run.")


def drive(
    platform: Platform, deployment: Deployment, release: Release, document: RolloutDocument, holder: str
) -> RolloutDocument:
    """Tick until the end and return the last document; the caller holds the lease.

    Raises:
        Conflict: the lease was lost.
        ToolUnavailable: the cluster did not answer for longer than the deadline.
    """
    site, told, silent_since = platform.sites[deployment.environment], ("", ""), None
    while True:
        now = platform.clock.now()
        try:
            keep_lease(platform, deployment, release.service, holder)
            document = _turn_back_on_request(platform, deployment, release, document, now)
            document = raise_in_rollout(site.cluster, deployment, release.service, document, now)
            before = document
            decision, judgement, document = advance(site, deployment, release.service, document, now)
        except (ToolUnavailable, Refused, NotFound) as error:
            silent_since = silent_since or now
            if (now - silent_since).total_seconds() > deployment.deadline_seconds:
                raise
            document = _after_failure(platform, release, document, error, now, first=silent_since == now)
            platform.clock.sleep(TICK_SECONDS)
            continue
        tell_drift(platform, release, document.drift, before.drift)
        silent_since, again = None, told == (decision.action.value, decision.reason)
        if not again:
            _tell(platform, release, decision, judgement)
        if decision.action is Action.FINISH:
            return document
        if again or decision.action is Action.HOLD:
            platform.clock.sleep(TICK_SECONDS)
        told = decision.action.value, decision.reason


def _longest_seconds(deployment: Deployment) -> float:
    """What a rollout of this deployment may take at most: each bake, and the deadline of every phase."""
    bakes = sum(step.bake_seconds for step in deployment.steps)
    return bakes + (len(deployment.steps) + len(RolloutPhase)) * deployment.deadline_seconds + LEASE_SECONDS


def _after_failure(
    platform: Platform,
    release: Release,
    document: RolloutDocument,
    error: ToolUnavailable | Refused | NotFound,
    now: datetime,
    *,
    first: bool,
) -> RolloutDocument:
    """What can't be deployed is turned back; what could not be asked or was not ready is tried again."""
    if first:
        note(platform, release, "rollout", error.what, {"action": "wait"})
    if isinstance(error, NotFound):
        return replace(document, state=abort(document.state, error.what, now))
    return document


def _turn_back_on_request(
    platform: Platform, deployment: Deployment, release: Release, document: RolloutDocument, now: datetime
) -> RolloutDocument:
    """People ask through the ledger, so that whoever drives the rollout sees it, and auditors do too."""
    for entry in platform.ledger.entries(release.service, release.key):
        act = entry.act
        asked = act.verb == ABORT and act.body.get("environment") == deployment.environment
        if asked and act.at >= document.started_at:
            reason = f"turned back on request: {act.body.get('reason', '')}"
            return replace(document, state=abort(document.state, reason, now))
    return document


def _tell(platform: Platform, release: Release, decision: Decision, judgement: Judgement) -> None:
    if decision.action is Action.HOLD:
        return
    data: dict[str, str | float | int | bool | None] = {
        "action": decision.action.value,
        "phase": decision.state.phase.value,
        "weight_percent": decision.weight_percent if decision.action is Action.SET_WEIGHT else None,
        "opinion": judgement.opinion.value,
        "canary_requests": judgement.canary.requests,
        "canary_errors": judgement.canary.errors,
    }
    note(platform, release, "rollout", decision.reason, data)


def tell_drift(platform: Platform, release: Release, lines: tuple[str, ...], known: tuple[str, ...] = ()) -> None:
    """Note what somebody else changed by hand, each once."""
    for line in lines:
        if line not in known:
            note(platform, release, "rollout", line, {"action": "drift"})


def note(
    platform: Platform, release: Release, kind: str, text: str, data: dict[str, str | float | int | bool | None]
) -> None:
    """Keep a note about a release, of now."""
    platform.evidence.note(Note(release.service, release.key, platform.clock.now(), kind, text, data))
