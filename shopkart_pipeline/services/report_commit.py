"""What is told about a commit as a whole: one check over all of its services, and one comment at its pull request.

Branch protection asks for the one check `shopkart`, which holds for whatever the commit concerns: a service more is
protected without a change of rules, and a commit that concerns no service ends as skipped, which satisfies. Which
services a commit concerns is noted when it is accepted.

Several runs end at the same time, each in a process of its own, and the last word has to be the newest state. So who
has put a notice looks again, and puts another one if things have changed meanwhile: whoever puts last has seen
everything that was there before.
"""

from collections.abc import Callable
from dataclasses import dataclass

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.notice import CheckNotice, CommentNotice, Notice
from shopkart_pipeline.domain.release import is_merge_group, is_proposed, number_of, pull_request_key
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.approve_release import weigh_approvals
from shopkart_pipeline.services.command_history import commands_of
from shopkart_pipeline.services.phase_state import PhaseState, phase_state
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.pull_requests import merged_by, standing
from shopkart_pipeline.services.render_comment import Progress, pull_request_comment
from shopkart_pipeline.services.render_notices import commit_check
from shopkart_pipeline.services.requests import Accepted, PullRequestName

_CONCERNS = "concerns"
"""Kind of the notes about which services a commit concerns; kept under its repository's name."""
_LOOKED_AT = 200
"""Newest commits of a repository among which that of a merge is looked for."""


@dataclass(frozen=True)
class Concern:
    """What a commit concerns."""

    repository: str
    key: str
    sha: str
    services: tuple[str, ...]
    others: int
    """Services that it does not concern."""


def note_concern(platform: Platform, accepted: Accepted) -> Concern | None:
    """Remember which services an accepted commit concerns, once; None where nothing was accepted that is new."""
    requested = [request for request in accepted.requests if request.phase is Phase.CI]
    untouched = accepted.not_affected
    if not requested and not untouched:
        return None
    key = requested[0].release_key if requested else untouched[0].release_key
    if requested:
        release = platform.evidence.release(requested[0].service, key)
        repository, sha = release.repository, release.sha
    else:
        repository = platform.service(untouched[0].service).source.repository
        sha = str(untouched[0].data["commit"])
    services = sorted({request.service for request in requested})
    message = f"{', '.join(services) or 'no service'} of {len(services) + len(untouched)}"
    data = {"sha": sha, "services": " ".join(services), "others": len(untouched)}
    if concern_of(platform, repository, key) is None:
        platform.evidence.note_once(Note(repository, key, platform.clock.now(), _CONCERNS, message, data))
    return concern_of(platform, repository, key)


def concern_of(platform: Platform, repository: str, key: str) -> Concern | None:
    """What a commit concerns, as it was noted first; None where nothing was."""
    for note in platform.evidence.notes(repository, key, _CONCERNS)[:1]:
        services = tuple(str(note.data["services"]).split())
        return Concern(repository, key, str(note.data["sha"]), services, int(note.data["others"] or 0))
    return None


def tell_commit(platform: Platform, repository: str, key: str) -> None:
    """Put how a commit stands, and its pull request; look again until that is how they stand."""
    concern = concern_of(platform, repository, key)
    if concern is not None:
        name = _pull_request_of(platform, concern)
        _put(platform, lambda: [_check(platform, concern), *([_comment(platform, name)] if name else [])])


def tell_pull_request(platform: Platform, name: PullRequestName) -> None:
    """Put the comment of a pull request anew."""
    _put(platform, lambda: [_comment(platform, name)])


def _put(platform: Platform, notices: Callable[[], list[Notice]]) -> None:
    told: list[Notice] = []
    while told != (now := notices()):
        platform.outbox.put(now, platform.clock.now())
        told = now


def _check(platform: Platform, concern: Concern) -> CheckNotice:
    states = {name: _state(platform, name, concern.key, Phase.CI) for name in concern.services}
    return commit_check(concern.repository, concern.sha, states, concern.others, platform.public_url or None)


def _comment(platform: Platform, name: PullRequestName) -> CommentNotice:
    stands = standing(platform, name)
    proposed = concern_of(platform, name.repository, pull_request_key(name.number, stands.sha)) if stands else None
    merged = _concern_of_commit(platform, name.repository, stands.merge_sha) if stands and stands.merge_sha else None
    return pull_request_comment(
        name,
        _progress(platform, proposed, Phase.CI),
        _progress(platform, merged, *Phase),
        commands_of(platform, name),
    )


def _progress(platform: Platform, concern: Concern | None, *phases: Phase) -> Progress | None:
    if concern is None:
        return None
    rows = {
        service: {phase: _state(platform, service, concern.key, phase) for phase in phases}
        for service in concern.services
    }
    approvals = {name: _approvals(platform, name, concern.key) for name in rows if Phase.PRODUCTION in phases}
    return Progress(concern.sha, rows, concern.others, {name: words for name, words in approvals.items() if words})


def _state(platform: Platform, service: str, key: str, phase: Phase) -> PhaseState:
    release = platform.evidence.release(service, key)
    return phase_state(platform, release, phase, platform.evidence.latest(service, key))


def _approvals(platform: Platform, service: str, key: str) -> str:
    """How far the approval of a release is; empty where none is awaited."""
    deployment = platform.deployment_of(platform.service(service), Phase.PRODUCTION)
    release, records = platform.evidence.release(service, key), platform.evidence.latest(service, key)
    if deployment.approvals is None or phase_state(platform, release, Phase.STAGING, records).outcome != Outcome.PASS:
        return ""
    count = weigh_approvals(platform, release, deployment, records)
    return "" if count.is_enough else f"{len(count.approvers)} of {count.required} approvals"


def _pull_request_of(platform: Platform, concern: Concern) -> PullRequestName | None:
    """The pull request that a commit is the head of, or became a part of the branch by; none for a merge group, whose
    pull requests say nothing of it."""
    if is_merge_group(concern.key):
        return None
    if is_proposed(concern.key):
        return PullRequestName(concern.repository, number_of(concern.key))
    return merged_by(platform, concern.repository, concern.sha)


def _concern_of_commit(platform: Platform, repository: str, sha: str) -> Concern | None:
    for note in platform.evidence.newest_notes(_CONCERNS, repository, _LOOKED_AT):
        if note.data["sha"] == sha and not is_proposed(note.release_key):
            return concern_of(platform, repository, note.release_key)
    return None
