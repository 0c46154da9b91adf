"""What a release was spared: services that a merge leaves alone, stages and gates that the declaration leaves out, and
results that were taken over. Each of them is why something runs that was not looked at anew, so the ledger says so.

A merge says all services that it leaves alone in one entry. Results that were taken over are said in one transaction,
once the phase is through that rests on them; before that they change nothing.
"""

from collections.abc import Collection, Mapping

from shopkart_pipeline.domain.declaration import LeftOut, Service
from shopkart_pipeline.domain.evidence import Reuse, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.ports.ledger import DELIVERY, Act
from shopkart_pipeline.services.platform import Platform

SKIP, REUSE = "skip", "reuse"
"""Verbs of the ledger."""


def record_not_affected(
    platform: Platform, services: Collection[Service], key: str, delivery: Delivery, commit: str
) -> None:
    """Write into the ledger which services a merge leaves alone; the same delivery says it once."""
    if not services:
        return
    names = ", ".join(sorted(service.name for service in services))
    body = {"services": names, "commit": commit, "reason": "nothing of theirs was changed", DELIVERY: delivery.id}
    platform.ledger.append_once(Act(delivery.received_at, "pipeline", SKIP, "", key, "", body))


def record_left_out(platform: Platform, release: Release, digest: str) -> None:
    """Write into the ledger what the declaration leaves out for a release that goes to production; the same is said
    once."""
    left_out = "; ".join(map(_words, platform.service(release.service).left_out))
    if not left_out:
        return
    known = platform.ledger.entries(release.service, release.key, (SKIP,))
    if all(entry.act.body.get("left_out") != left_out for entry in known):
        body = {"left_out": left_out}
        act = Act(platform.clock.now(), "pipeline", SKIP, release.service, release.key, digest, body)
        platform.ledger.append(act)


def record_reuse(platform: Platform, release: Release, records: Mapping[str, StageRecord]) -> None:
    """Write into the ledger which of these stages took a result over, and from which run; each is said once."""
    taken = [(record, record.reused) for record in records.values() if record.reused]
    if not taken:
        return
    entries = platform.ledger.entries(release.service, release.key, (REUSE,))
    known = {(entry.act.body["stage"], entry.act.body["run"]) for entry in entries}
    acts = [
        _taken_over(record, reused, release) for record, reused in taken if (record.stage, record.run_id) not in known
    ]
    platform.ledger.append_all(acts)


def _taken_over(record: StageRecord, reused: Reuse, release: Release) -> Act:
    body = {
        "stage": record.stage,
        "run": record.run_id,
        "from_run": reused.run_id,
        "from_release": reused.release_key,
        "from_commit": reused.commit,
    }
    digest = record.subject_digest or ""
    return Act(record.finished_at, "pipeline", REUSE, release.service, release.key, digest, body)


def _words(left_out: LeftOut) -> str:
    return f"{left_out.stage}{f'.{left_out.gate}' if left_out.gate else ''}: {left_out.reason}"
