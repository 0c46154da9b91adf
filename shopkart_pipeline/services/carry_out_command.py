"""What a command asks for, done for each release that it is about.

`/approve` and `/rollback` are about the releases that the pull request's merge became; `/rerun` is about its head while
it is open, and about those releases afterwards. What is refused for one release is done for the others all the same,
and told. Every act is known by the delivery that asks for it, so doing it again changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shopkart_pipeline.domain.code_host import Command
from shopkart_pipeline.domain.comment_command import Asked
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import NotFound, PipelineError, Refused, ToolUnavailable, UntrustedInput
from shopkart_pipeline.domain.release import Release, pull_request_key
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.approve_release import record_told_approval
from shopkart_pipeline.services.authenticate import accept_told
from shopkart_pipeline.services.merged_releases import merged_releases
from shopkart_pipeline.services.own_events import APPROVED, progress
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import current
from shopkart_pipeline.services.pull_requests import Standing, standing
from shopkart_pipeline.services.requests import PullRequestName
from shopkart_pipeline.services.rerun_stages import ask_for_rerun
from shopkart_pipeline.services.roll_back import to_be_taken_back

REFUSALS = (Refused, NotFound, UntrustedInput)
"""What is told to whoever asked. Anything else is about a tool that is away; it is tried again."""


@dataclass(frozen=True)
class Result:
    """What became of a command for one release, or for all that it could have been about."""

    is_done: bool
    words: str
    taken_back: dict[str, str] = field(default_factory=dict[str, str])
    """A release that is to be rolled back, by service."""


def carry_out(
    platform: Platform, delivery: Delivery, name: PullRequestName, command: Command, asked: Asked, person: str
) -> tuple[Result, ...]:
    """Do what was asked for.

    Raises:
        Refused, NotFound: there is nothing that it could be about.
        ToolUnavailable: something does not answer; nothing is told yet.
    """
    stands = standing(platform, name)
    if stands is None:
        raise NotFound(f"Nothing is known of {name} yet.", "Write it again when its checks have begun.")
    releases = _releases(platform, name, stands, command, asked)
    match command:
        case Command.APPROVE:
            return _each(releases, lambda release: approve(platform, release, delivery))
        case Command.ROLLBACK:
            return _each(releases, lambda release: _take_back(platform, release, delivery, person))
        case Command.RERUN:
            stage = asked.stage or ""
            having = _having(platform, releases, stage)
            return _each(having, lambda release: _rerun(platform, release, stage, delivery, person))


def approve(platform: Platform, release: Release, delivery: Delivery) -> Result:
    """Record the approval and tell the pipeline, so that it goes on."""
    deployment = platform.deployment_of(platform.service(release.service), Phase.PRODUCTION)
    entry = record_told_approval(platform, release, delivery)
    platform.inbox.put(progress(APPROVED, release, Phase.PRODUCTION, entry.entry_hash, platform))
    return Result(True, f"approved for {deployment.environment} by {entry.act.actor}, ledger entry {entry.sequence}")


def _take_back(platform: Platform, release: Release, delivery: Delivery, person: str) -> Result:
    """The run that rolls back looks once more, so a cluster that is away holds up nothing but that run."""
    environment = platform.environment_of(Phase.PRODUCTION).name
    try:
        target = to_be_taken_back(platform, release.service)
    except ToolUnavailable:
        placed = current(platform, release.service, environment)
        target = placed.release_key if placed is not None else None
    if target == release.key:
        accept_told(platform, Verb.ROLL_BACK, release.service, release.key, person, delivery)
        return Result(True, "a run rolls it back", {release.service: release.key})
    raise Refused(f"{target or 'no release of this service'} is what runs in {environment}.", "")


def _rerun(platform: Platform, release: Release, stage: str, delivery: Delivery, person: str) -> Result:
    phases = {each.name: each.phase for each in platform.service(release.service).stages}
    verb = Verb.RERUN_PRODUCTION if phases.get(stage) is Phase.PRODUCTION else Verb.RERUN
    actor = accept_told(platform, verb, release.service, release.key, person, delivery)
    request = ask_for_rerun(platform, release, stage, actor=actor, no_reuse=False, asked_in=delivery.id)
    return Result(True, f"{', '.join(request.stages)} run again")


def _each(releases: Sequence[Release], act: Callable[[Release], Result]) -> tuple[Result, ...]:
    return tuple(_apart(release, act) for release in releases)


def _apart(release: Release, act: Callable[[Release], Result]) -> Result:
    try:
        result = act(release)
    except REFUSALS as refusal:
        return Result(False, f"{release.name}: {in_words(refusal)}")
    return Result(result.is_done, f"{release.name}: {result.words}", result.taken_back)


def in_words(refusal: PipelineError) -> str:
    """A refusal as whoever asked reads it."""
    return f"refused: {refusal}"


def _releases(
    platform: Platform, name: PullRequestName, stands: Standing, command: Command, asked: Asked
) -> tuple[Release, ...]:
    known = [service.name for service in platform.pipeline.services_in(name.repository)]
    if asked.service is not None and asked.service not in known:
        raise NotFound(f"{name.repository} has no service {asked.service!r}.", f"It has: {', '.join(known)}.")
    if stands.merge_sha is not None:
        found, what = merged_releases(platform, name.repository, stands.merge_sha), stands.merge_sha
    elif stands.is_open and command is Command.RERUN:
        found, what = _proposed(platform, known, pull_request_key(name.number, stands.sha)), stands.sha
    elif stands.is_open:
        raise Refused(f"{name} is not merged.", f"/{command.value} is about what its merge becomes.")
    else:
        told = "its merge was not told" if stands.is_merged else "it was closed without a merge"
        raise Refused(f"There is nothing of {name} that can be released: {told}.", "")
    wanted = tuple(release for release in found if asked.service in (None, release.service))
    if not wanted:
        whose = asked.service or "any service"
        raise NotFound(
            f"{what[:12]} is no release of {whose}.", "It may not concern it, or is part of a later release."
        )
    return wanted


def _proposed(platform: Platform, services: Sequence[str], key: str) -> tuple[Release, ...]:
    found: list[Release] = []
    for service in services:
        try:
            found.append(platform.evidence.release(service, key))
        except NotFound:
            continue
    return tuple(found)


def _having(platform: Platform, releases: Sequence[Release], stage: str) -> tuple[Release, ...]:
    """Those whose service has the stage; all of them where none has, so that each says what there is."""
    having = [each for each in releases if any(one.name == stage for one in platform.service(each.service).stages)]
    return tuple(having or releases)
