"""The inbox becomes runs. The sensor calls this every few seconds, the warm worker as soon as somebody rings.

Both may do so at once: what a delivery asks for is decided the same way each time, run ids follow from the delivery,
and launching one that exists is no error. A delivery is done only after all its runs are launched, and after what it
supersedes was told to end; one whose repository does not answer stays, and one that can never be understood is done
with the reason.
"""

import logging
import math

from dagster import DagsterInstance

from shopkart_pipeline.defs.keys import (
    NO_REUSE_TAG,
    PULL_REQUEST_TAG,
    PULL_REQUESTS,
    RELEASE_TAG,
    SERVICE_TAG,
    asset_key,
    job_name,
    op_prefix,
    partitions_name,
    rollback_job_name,
)
from shopkart_pipeline.defs.not_affected import show_not_affected
from shopkart_pipeline.defs.show_approval import show_approval
from shopkart_pipeline.defs.superseded import end_superseded
from shopkart_pipeline.domain.errors import NotFound, PipelineError, ToolUnavailable, UntrustedInput
from shopkart_pipeline.engine.launch import launch_once
from shopkart_pipeline.engine.places import GROUP_TAG, QUEUE_TAG
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.accept_release import accept
from shopkart_pipeline.services.own_events import APPROVED, PHASE_PASSED
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.report_progress import accepted_commit
from shopkart_pipeline.services.requests import RollbackRequest, RunRequest

DELIVERIES = "deliveries"
"""Name of the sensor that dispatches."""

log = logging.getLogger(__name__)


def drain(instance: DagsterInstance, platform: Platform, at_most_seconds: float = math.inf) -> tuple[str, ...]:
    """Act upon everything that is pending, in the order of its arrival; returns what was done, in words.

    Where a repository does not answer, what came later from it waits, too. Whatever waits is passed over, however much
    of it there is. After `at_most_seconds` no further delivery is begun.
    """
    began, said, silent, after = platform.clock.now(), list[str](), set[str](), None
    while deliveries := platform.inbox.pending(after=after):
        for delivery in deliveries:
            said.append(_apart(instance, platform, delivery, silent))
            if (platform.clock.now() - began).total_seconds() > at_most_seconds:
                return tuple(said)
        after = deliveries[-1].id
    return tuple(said)


def _apart(instance: DagsterInstance, platform: Platform, delivery: Delivery, silent: set[str]) -> str:
    """One delivery that can't be dispatched must not keep the others waiting; it stays, and is tried again."""
    try:
        if silent and _repository(platform, delivery) in silent:
            return f"{delivery.event} {delivery.id} waits behind an earlier one"
        return _dispatch(instance, platform, delivery, silent)
    except Exception as error:
        log.exception("delivery %s (%s) could not be dispatched", delivery.id, delivery.event)
        return f"{delivery.event} {delivery.id} waits: {type(error).__name__}"


def _repository(platform: Platform, delivery: Delivery) -> str | None:
    """The repository whose commits a delivery is about; None where it is about none."""
    try:
        return getattr(platform.forge.read(delivery), "repository", None)
    except UntrustedInput:
        return None


def _dispatch(instance: DagsterInstance, platform: Platform, delivery: Delivery, silent: set[str]) -> str:
    try:
        accepted = accept(platform, delivery)
    except (UntrustedInput, NotFound) as error:
        return _done(platform, delivery, f"rejected: {error.what}")
    except PipelineError as error:
        log.warning("delivery %s waits: %s", delivery.id, error)
        if isinstance(error, ToolUnavailable) and (repository := _repository(platform, delivery)) is not None:
            silent.add(repository)
        return f"{delivery.event} {delivery.id} waits: {error.what}"
    for request in accepted.requests:
        launch(instance, request)
    for rollback in accepted.rollbacks:
        launch_rollback(instance, rollback)
    if accepted.pull_request is not None:
        end_superseded(instance, platform, accepted.pull_request)
    show_not_affected(instance, accepted.not_affected)
    accepted_commit(platform, accepted)
    if delivery.event in (APPROVED, PHASE_PASSED):
        show_approval(instance, platform, delivery)
    return _done(platform, delivery, accepted.outcome)


def _done(platform: Platform, delivery: Delivery, outcome: str) -> str:
    platform.inbox.done(delivery.id, outcome, platform.clock.now())
    log.info("delivery %s (%s): %s", delivery.id, delivery.event, outcome)
    return f"{delivery.event} {delivery.id}: {outcome}"


def launch(instance: DagsterInstance, request: RunRequest) -> None:
    """Launch the run that a request asks for, unless it exists."""
    instance.add_dynamic_partitions(partitions_name(request.service), [request.release_key])
    launch_once(
        instance,
        key=request.key,
        job_name=job_name(request.service, request.phase),
        asset_selection=[asset_key(request.service, stage) for stage in request.stages] or None,
        partition_key=request.release_key,
        tags=_tags(request),
    )


def launch_rollback(instance: DagsterInstance, request: RollbackRequest) -> None:
    """Launch the run that a request for a rollback asks for, unless it exists."""
    config = {"reason": request.reason, "asked_in": request.asked_in, "only_release": request.release_key}
    launch_once(
        instance,
        key=request.key,
        job_name=rollback_job_name(request.service),
        asset_selection=None,
        partition_key=None,
        tags={
            SERVICE_TAG: request.service,
            RELEASE_TAG: f"{request.service}@{request.release_key}",
            "shopkart/reason": request.reason,
            "dagster/sensor_name": DELIVERIES,
        },
        run_config={"ops": {f"{op_prefix(request.service)}_roll_back": {"config": config}}},
    )


def _tags(request: RunRequest) -> dict[str, str]:
    tags = {
        SERVICE_TAG: request.service,
        RELEASE_TAG: f"{request.service}@{request.release_key}",
        "shopkart/reason": request.reason,
        # The interface then shows the sensor as the one that launched it, which it is, sooner or later.
        "dagster/sensor_name": DELIVERIES,
    }
    if request.queue:
        tags[QUEUE_TAG] = request.queue
    if request.pull_request is not None:
        tags |= {PULL_REQUEST_TAG: str(request.pull_request), GROUP_TAG: PULL_REQUESTS}
    if request.no_reuse:
        tags[NO_REUSE_TAG] = "true"
    return tags
