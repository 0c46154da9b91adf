"""Shows at a release's approval whom production waits for, how they agree, and what else is awaited.

An approval that is given is a materialization once there are enough of them; what is awaited is an observation, told
anew whenever it changed. It is shown, not counted: `authorise_deploy` reads the ledger.
"""

import logging
from collections.abc import Iterable, Mapping

from dagster import AssetMaterialization, AssetObservation, DagsterInstance, MetadataValue

from shopkart_pipeline.defs.keys import APPROVAL, asset_key
from shopkart_pipeline.domain.declaration import Phase, Stage
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.approval_status import ApprovalStatus, approval_status
from shopkart_pipeline.services.approve_release import APPROVE
from shopkart_pipeline.services.ask_again import Seen
from shopkart_pipeline.services.own_events import APPROVED, read_own_event
from shopkart_pipeline.services.platform import Platform

log = logging.getLogger(__name__)


def show_approval(instance: DagsterInstance, platform: Platform, delivery: Delivery) -> None:
    """Show how the approval of a release stands after staging is through, or after somebody approved it. That it can't
    be shown must not keep the release waiting."""
    service, key, phase = read_own_event(delivery, "service", "release_key", "phase")
    release = platform.evidence.release(service, key)
    if release.pull_request is not None or phase is Phase.CI:
        return
    try:
        status = approval_status(platform, release)
    except PipelineError as error:
        log.warning("the approval of %s can't be shown: %s", release.name, error)
        return
    if delivery.event == APPROVED and not status.missing:
        _show_given(instance, platform, release, delivery)
    if status.missing or status.also_awaited:
        _observe(instance, service, key, status.words, status_metadata(status))


def show_end_of_wait(instance: DagsterInstance, seen: Seen) -> None:
    """Show that a release waits no more, and why."""
    _observe(instance, seen.service, seen.release_key, seen.words, {"state": MetadataValue.text(seen.words)})


def awaited_metadata(platform: Platform, release: Release, stage: Stage) -> dict[str, MetadataValue]:
    """What a refused run shows: for production, whom and what it waits for."""
    if stage.phase is not Phase.PRODUCTION or release.pull_request is not None:
        return {}
    try:
        return status_metadata(approval_status(platform, release))
    except PipelineError as error:
        return {"state": MetadataValue.text(f"can't be told: {error.what}")}


def status_metadata(status: ApprovalStatus) -> dict[str, MetadataValue]:
    """The state of an approval for people."""
    shown = {
        "state": MetadataValue.text(status.words),
        "approvals_missing": MetadataValue.int(status.missing),
        "awaited_from": _lines(status.awaited_people if status.missing else ()),
        "how_to_approve": _lines(f"`{way}`" for way in (status.how if status.missing else ())),
        "agreed": _lines(f"{who} (counts until {ends:%Y-%m-%d %H:%M:%S %Z})" for who, ends in status.agreed.items()),
        "does_not_count": _lines(status.not_counted),
        "also_awaited": _lines(each.line for each in status.also_awaited),
    }
    return {name: value for name, value in shown.items() if value is not None}


def _lines(lines: Iterable[str]) -> MetadataValue | None:
    written = "\n".join(f"- {line}" for line in lines)
    return MetadataValue.md(written) if written else None


def _observe(
    instance: DagsterInstance, service: str, release_key: str, words: str, metadata: Mapping[str, MetadataValue]
) -> None:
    key = asset_key(service, APPROVAL)
    observation = AssetObservation(key, description=words, partition=release_key, metadata=metadata)
    instance.report_runless_asset_event(observation)


def _show_given(instance: DagsterInstance, platform: Platform, release: Release, delivery: Delivery) -> None:
    for entry in platform.ledger.entries(release.service, release.key):
        if entry.act.verb == APPROVE:
            event = AssetMaterialization(
                asset_key=asset_key(release.service, APPROVAL),
                partition=release.key,
                description=f"approved by {entry.act.actor}",
                metadata={
                    "approver": entry.act.actor,
                    "image": entry.act.digest,
                    "at": entry.act.at.isoformat(),
                    "ledger_entry": MetadataValue.int(entry.sequence),
                    "statement": MetadataValue.json(entry.act.body["statement"]),
                    "delivery": delivery.id,
                },
            )
            instance.report_runless_asset_event(event)
