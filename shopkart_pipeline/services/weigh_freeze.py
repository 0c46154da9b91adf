"""Freezes that are on in production, and who overrides them."""

from collections.abc import Iterable, Mapping

from shopkart_pipeline.domain.awaited import Awaited
from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.evidence import StageRecord
from shopkart_pipeline.domain.freeze import OVERRIDING_APPROVERS
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.approve_release import weigh_approvals
from shopkart_pipeline.services.drive_rollout import note
from shopkart_pipeline.services.platform import Platform

FREEZE, OVERRIDE = "freeze", "override_freeze"
"""Verbs of the ledger."""
_HELD = "freeze: "


def weigh_freeze(
    platform: Platform, release: Release, deployment: Deployment, records: Mapping[str, StageRecord]
) -> tuple[tuple[Awaited, ...], tuple[str, ...]]:
    """What is frozen, and what is overridden by people who approved while it was on: one line for each window."""
    frozen, overridden, now = list[Awaited](), list[str](), platform.clock.now()
    for window in deployment.freeze:
        began = window.began_at(now)
        if began is None:
            continue
        approvers = weigh_approvals(platform, release, deployment, records, since=began).approvers
        if len(approvers) >= OVERRIDING_APPROVERS:
            overridden.append(f"freeze {window.name} overridden by {', '.join(approvers)}")
            continue
        over = window.ends_after(now)
        agreed = f"{len(approvers)} of {OVERRIDING_APPROVERS} approvals since {began.isoformat(timespec='minutes')}"
        until = over.isoformat(timespec="minutes")
        frozen.append(Awaited(f"{_HELD}{window.name} until {until}; to override it: {agreed}", over))
    return tuple(frozen), tuple(overridden)


def record_freezes(platform: Platform, release: Release, lines: Iterable[Awaited]) -> None:
    """Write into the ledger that freezes hold a release back; one that goes on is said once."""
    held = [line for line in lines if line.line.startswith(_HELD)]
    if not held:
        return
    entries = platform.ledger.entries(release.service, release.key, (FREEZE,))
    known, now = {entry.act.body["window"] for entry in entries}, platform.clock.now()
    bodies = [{"window": line.line.removeprefix(_HELD).partition(";")[0], "reason": line.line} for line in held]
    acts = [
        Act(now, "pipeline", FREEZE, release.service, release.key, "", body)
        for body in bodies
        if body["window"] not in known
    ]
    platform.ledger.append_all(acts)


def record_overrides(platform: Platform, release: Release, digest: str, lines: tuple[str, ...]) -> None:
    """Write into the ledger and beside the release that freezes are overridden; each is said once."""
    known = {
        entry.act.body.get("reason") for entry in platform.ledger.entries(release.service, release.key, (OVERRIDE,))
    }
    for line in lines:
        if line not in known:
            body = {"reason": line}
            act = Act(platform.clock.now(), "pipeline", OVERRIDE, release.service, release.key, digest, body)
            platform.ledger.append(act)
            note(platform, release, "rollout", line, {"action": OVERRIDE})
