"""Production of a release is asked for, at once or once what it waits for is over.

A run for production is named after the evidence that was approved, not after the event: "staging is through",
"approved" and "the wait is over" may all find everything in place, and a release must not be rolled out twice for it.
Once it was turned back, it takes a new approval, and the name is another one. A run that was refused because something
was awaited can't be run again, so what follows it is named after it, too.
"""

from collections.abc import Mapping

from shopkart_pipeline.domain.awaited import Awaited
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.evidence import StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.judge_release import evidence_digest, phases_before
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_candidates import Standing, history_of, remember
from shopkart_pipeline.services.production_history import current, last_turn_back
from shopkart_pipeline.services.requests import Accepted, RunRequest
from shopkart_pipeline.services.specify_workload import is_there
from shopkart_pipeline.services.wait_before_deploy import awaited
from shopkart_pipeline.services.weigh_freeze import record_freezes, weigh_freeze


def request_production(platform: Platform, release: Release, words: str) -> Accepted:
    """What a release that is approved asks for: production, or nothing yet, which is remembered.

    Args:
        platform: the ports.
        release: which release.
        words: why it may go.
    """
    records = platform.evidence.latest(release.service, release.key)
    waits = still_awaited(platform, release, records)
    if waits and all(each.passes for each in waits):
        lines = "; ".join(each.line for each in waits)
        remember(platform, release, Standing.WAITS, lines, turned_back=_turned_back(platform, release))
        record_freezes(platform, release, waits)
        return Accepted((), f"production waits: {lines}")
    request = run_request(platform, release, records, words)
    note_asked(platform, release, request)
    return Accepted((request,), "production")


def wait_after_refusal(platform: Platform, release: Release, words: str, run_id: str) -> None:
    """Remember that a run was refused for nothing but what is awaited, so that production is asked for again. Where the
    release is in production already, nothing is to follow."""
    deployment = platform.deployment_of(platform.service(release.service), Phase.PRODUCTION)
    placed = current(platform, release.service, deployment.environment)
    if placed is None or not is_there(platform, release, placed):
        turned_back = _turned_back(platform, release)
        remember(platform, release, Standing.WAITS, words, turned_back=turned_back, about=run_id)
        record_freezes(platform, release, still_awaited(platform, release))


def still_awaited(
    platform: Platform, release: Release, records: Mapping[str, StageRecord] | None = None
) -> tuple[Awaited, ...]:
    """What production of a release waits for besides its own evidence and its approval."""
    deployment = platform.deployment_of(platform.service(release.service), Phase.PRODUCTION)
    known = platform.evidence.latest(release.service, release.key) if records is None else records
    frozen, _ = weigh_freeze(platform, release, deployment, known)
    return (*awaited(platform, release), *frozen)


def run_request(platform: Platform, release: Release, records: Mapping[str, StageRecord], words: str) -> RunRequest:
    """The run that brings a release to production, as its evidence stands."""
    evidence = evidence_digest(records, phases_before(platform.service(release.service), Phase.PRODUCTION))
    identity = f"{release.name}:{Phase.PRODUCTION.value}:{evidence}:{_turned_back(platform, release)}"
    refused = [each.about for each in history_of(platform, release) if each.standing is Standing.WAITS and each.about]
    key = f"{identity}:after:{refused[-1]}" if refused else identity
    return RunRequest(key, release.service, release.key, Phase.PRODUCTION, words)


def note_asked(platform: Platform, release: Release, request: RunRequest) -> None:
    """Remember that production was asked for."""
    words = f"production is asked for: {request.reason}"
    remember(platform, release, Standing.ASKED, words, turned_back=_turned_back(platform, release), about=request.key)


def _turned_back(platform: Platform, release: Release) -> int:
    deployment = platform.deployment_of(platform.service(release.service), Phase.PRODUCTION)
    return last_turn_back(platform, release.service, release.key, deployment.environment)
