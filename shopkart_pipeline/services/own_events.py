"""Events by which the pipeline tells itself what comes next (`shopkart.*`).

They go through the inbox, so that they are durable, and their ids follow from what happened, so that telling one again
changes nothing.
"""

import json
from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.platform import Platform

PHASE_PASSED = "shopkart.phase_passed"
APPROVED = "shopkart.approved"


def progress(event: str, release: Release, phase: Phase, run_id: str, platform: Platform) -> Delivery:
    """The event that tells that a release came further, by a run or by whatever else identifies it."""
    return own_event(platform, event, release, f"{phase.value}:{run_id}", {"phase": phase.value})


def own_event(platform: Platform, event: str, release: Release, identity: str, body: Mapping[str, object]) -> Delivery:
    """An event about a release.

    Args:
        platform: the ports.
        event: its name.
        release: which release.
        identity: what happened; equal ones are one event.
        body: what else is to be known.
    """
    told = {"service": release.service, "release_key": release.key, **body}
    name = str(uuid5(NAMESPACE_URL, f"{event}:{release.name}:{identity}"))
    return Delivery(name, event, platform.clock.now(), json.dumps(told).encode())


def read_own_event(delivery: Delivery, *names: str) -> tuple[Any, ...]:
    """The values of these names, `phase` as one.

    Raises:
        UntrustedInput: one is missing, so the pipeline did not send it.
    """
    try:
        body = json.loads(delivery.body)
        return tuple(Phase(body[name]) if name == "phase" else body[name] for name in names)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UntrustedInput(
            f"The event {delivery.event} can't be read.", "Only the pipeline itself sends it."
        ) from error
