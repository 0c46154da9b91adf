"""Running stages again is an act: it goes into the ledger, and the number of its entry is the attempt.

The run has the stage and everything downstream of it in its phase; see `follow_up` for what a person runs in the
interface.
"""

from collections.abc import Sequence

from shopkart_pipeline.domain.declaration import Phase, Service, Stage
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.ports.ledger import DELIVERY, Act, Entry
from shopkart_pipeline.services.authenticate import proof_of
from shopkart_pipeline.services.follow_up import with_downstream
from shopkart_pipeline.services.judge_release import image_digest
from shopkart_pipeline.services.own_events import own_event, read_own_event
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.pull_requests import applicable_stages, forbid, name_of
from shopkart_pipeline.services.requests import Accepted, RunRequest

RERUN = "shopkart.rerun"
VERB = "rerun"
"""In the ledger."""


def ask_for_rerun(
    platform: Platform,
    release: Release,
    stage_name: str | None,
    *,
    actor: str,
    no_reuse: bool,
    asked_in: str | None = None,
) -> RunRequest:
    """Have a stage and all that is downstream of it in its phase run again; returns what the pipeline will launch.

    Args:
        platform: the ports.
        release: which release.
        stage_name: the stage; None for all of continuous integration.
        actor: who asks.
        no_reuse: whether results that are at hand for the same inputs may not be used.
        asked_in: the delivery that it is asked in, if it is: however often it is read, it asks once.

    Raises:
        NotFound: the service has no such stage.
        Refused: a pull request may not run this stage.
    """
    service = platform.service(release.service)
    if stage_name is None:
        phase, stages = Phase.CI, tuple(stage.name for stage in applicable_stages(service, release, Phase.CI))
    else:
        stage = _stage(service, stage_name)
        forbid(service, release, stage)
        phase, stages = stage.phase, with_downstream(service, release, [stage.name], stage.phase)
    details = {"no_reuse": str(no_reuse).lower(), **({DELIVERY: asked_in} if asked_in else {})}
    entry = _record(platform, release, phase, stages, actor, **details)
    platform.inbox.put(own_event(platform, RERUN, release, asked_in or entry.entry_hash, {"entry": entry.sequence}))
    return _request(release, entry)


def accept_rerun(platform: Platform, delivery: Delivery) -> Accepted:
    """What somebody asked for, as the ledger tells."""
    service, key, sequence = read_own_event(delivery, "service", "release_key", "entry")
    release = platform.evidence.release(service, key)
    for entry in platform.ledger.entries(service, key):
        if entry.sequence == sequence and entry.act.verb == VERB:
            request = _request(release, entry)
            return Accepted((request,), request.reason)
    raise NotFound(f"The ledger has no such request for {release.name}.", "Ask again with `shopkart rerun`.")


def record_by_hand(
    platform: Platform, release: Release, phase: Phase, stages: Sequence[str], *, actor: str, run_id: str
) -> None:
    """Write into the ledger that somebody runs stages in a run of their own; saying it again changes nothing."""
    entries = platform.ledger.entries(release.service, release.key)
    if not any(entry.act.verb == VERB and entry.act.body.get("run_id") == run_id for entry in entries):
        _record(platform, release, phase, stages, actor, run_id=run_id)


def _stage(service: Service, name: str) -> Stage:
    try:
        return service.stage(name)
    except KeyError:
        known = ", ".join(stage.name for stage in service.stages)
        raise NotFound(f"{service.name} has no stage {name!r}.", f"Its stages are: {known}.") from None


def _record(
    platform: Platform, release: Release, phase: Phase, stages: Sequence[str], actor: str, **details: str
) -> Entry:
    records = platform.evidence.latest(release.service, release.key)
    digest = image_digest(platform.service(release.service), records) or ""
    body = {"phase": phase.value, "stages": ", ".join(stages), **details, **proof_of(actor)}
    act = Act(platform.clock.now(), str(actor), VERB, release.service, release.key, digest, body)
    return platform.ledger.append_once(act) if DELIVERY in body else platform.ledger.append(act)


def _request(release: Release, entry: Entry) -> RunRequest:
    body = entry.act.body
    return RunRequest(
        key=f"{release.name}:{body['phase']}:rerun:{body.get(DELIVERY, entry.sequence)}",
        service=release.service,
        release_key=release.key,
        phase=Phase(body["phase"]),
        reason=f"{entry.act.actor} runs {body['stages']} again",
        stages=tuple(body["stages"].split(", ")),
        pull_request=name_of(release),
        no_reuse=body.get("no_reuse") == "true",
    )
