"""Which waivers count for a release, and when one has ended for good.

Waivers are read when the commit is checked out, and kept in the evidence of that; a verdict takes them from there and
asks the ledger which of them have ended. A waiver ends when a merged commit was looked at and its finding was not there
any more: should the finding come back, nobody has answered for it. Expiry is told by the clock, at every verdict.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.domain.declaration import Service, StageKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import NOTHING_WAIVED, Waived
from shopkart_pipeline.domain.waiver import Waiver
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.platform import Platform

WAIVE, END_WAIVER = "waive", "end_waiver"
"""Verbs of the ledger."""


def waived(platform: Platform, release: Release, records: Mapping[str, StageRecord]) -> Waived:
    """The waivers of a release that have not ended, those of its own commit alone."""
    waivers = _declared(platform.service(release.service), release, records)
    if not waivers:
        return NOTHING_WAIVED
    return _not_ended(platform, release.service, waivers)


def in_force(platform: Platform, service: Service, tree: Path) -> Waived:
    """The waivers that a tree of the repository holds today and that have not ended; none where they can't be read,
    because then nobody can say what was meant."""
    now = platform.clock.now()
    try:
        waivers = platform.waivers.read(tree, service, now)
    except PipelineError:
        return Waived((), now)
    return _not_ended(platform, service.name, waivers)


def waived_then(
    source: StageRecord | None, release: Release, moment: datetime, ended: Mapping[str, datetime]
) -> Waived:
    """The waivers of a release as they stood at a moment.

    Args:
        source: what the checkout left.
        release: whose waivers.
        moment: when they have to hold.
        ended: when waivers ended for good, by id (`ended_waivers`).
    """
    if source is None or source.commit != release.sha or not isinstance(source.result, Evidence):
        return Waived((), moment)
    waivers = source.result.waivers
    return Waived(tuple(each for each in waivers if each.id not in ended or ended[each.id] > moment), moment)


def ended_waivers(platform: Platform, service: str) -> Mapping[str, datetime]:
    """When waivers of a service ended for good, by id."""
    ended: dict[str, datetime] = {}
    for entry in platform.ledger.entries(service, verbs=(END_WAIVER,)):
        ended.setdefault(entry.act.body["waiver"], entry.act.at)
    return ended


def _not_ended(platform: Platform, service: str, waivers: tuple[Waiver, ...]) -> Waived:
    ended = _ended(platform, service)
    return Waived(tuple(waiver for waiver in waivers if waiver.id not in ended), platform.clock.now())


def record_waivers(platform: Platform, release: Release, record: StageRecord) -> None:
    """Write into the ledger which waivers came with the checkout of a merged commit, each once for all releases."""
    waivers = _declared(platform.service(release.service), release, {record.stage: record})
    if release.pull_request is not None or not waivers:
        return
    entries = platform.ledger.entries(release.service, verbs=(WAIVE,))
    known, now = {entry.act.body["waiver"] for entry in entries}, platform.clock.now()
    fresh = {waiver.id: waiver for waiver in waivers if waiver.id not in known}
    acts = [
        Act(now, "pipeline", WAIVE, release.service, release.key, "", _body(waiver) | {"commit": release.sha})
        for waiver in fresh.values()
    ]
    platform.ledger.append_all(acts)


def _body(waiver: Waiver) -> dict[str, str]:
    subject = waiver.finding or " ".join(filter(None, (waiver.rule, waiver.package, waiver.path)))
    return {
        "waiver": waiver.id,
        "place": waiver.place,
        "stage": waiver.stage,
        "finding": subject,
        "owner": waiver.owner,
        "reason": waiver.reason,
        "expires_at": waiver.expires_at.isoformat(),
    }


def end_waivers(platform: Platform, release: Release, record: StageRecord, records: Mapping[str, StageRecord]) -> None:
    """Write into the ledger which waivers of the record's stage have no finding any more; twice is once."""
    if release.pull_request is not None or not isinstance(record.result, Evidence):
        return
    found = record.result.findings
    gone = [
        waiver
        for waiver in _declared(platform.service(release.service), release, records)
        if waiver.stage == record.stage and not any(waiver.covers(finding) for finding in found)
    ]
    if not gone:
        return
    ended = _ended(platform, release.service)
    for waiver in gone:
        if waiver.id not in ended:
            body = {"waiver": waiver.id, "place": waiver.place, "reason": "its finding is gone"}
            act = Act(platform.clock.now(), "pipeline", END_WAIVER, release.service, release.key, "", body)
            platform.ledger.append(act)


def ended_notes(platform: Platform, release: Release, waivers: tuple[Waiver, ...]) -> tuple[str, ...]:
    """What people should know about the waivers in their file, in whole sentences."""
    if not waivers:
        return ()
    now, ended = platform.clock.now(), _ended(platform, release.service)
    notes = [f"The waiver at {one.place} has ended: its finding was gone." for one in waivers if one.id in ended]
    notes += [
        f"The waiver at {one.place} has expired: {one.words}."
        for one in waivers
        if one.id not in ended and not one.holds(now)
    ]
    return tuple(notes)


def _declared(service: Service, release: Release, records: Mapping[str, StageRecord]) -> tuple[Waiver, ...]:
    name = next((stage.name for stage in service.stages if stage.kind is StageKind.SOURCE), "")
    record = records.get(name)
    if record is None or record.commit != release.sha or not isinstance(record.result, Evidence):
        return ()
    return record.result.waivers


def _ended(platform: Platform, service: str) -> frozenset[str]:
    return frozenset(ended_waivers(platform, service))
