"""What holds for a proposed change: which stages it may run, how it stands, and which of its runs have to end.

Stages. A pull request runs continuous integration without pushing anything: no stage that publishes an image, nor one
that needs what was published, nor anything of a later phase. `forbid` is called where a stage is admitted, so it holds
whoever asked for the stage.

Order. Events of a pull request may arrive in another order than they happened, and more than once. Each is remembered
once, and the one that came to be last stands (the later arrival of two that the forge dates alike). Only its head is
worth a run; every other run of that pull request has to end. The same head may stand again (closed and reopened, pushed
away and back, meant for another branch meanwhile), and is then worth another attempt: `attempt` counts what stood in
between.

A group of a merge queue has a history of its own: what becomes of the pull requests in it ends none of its runs, and it
ends none of theirs.
"""

from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.declaration import Phase, Service, Stage, StageKind
from shopkart_pipeline.domain.errors import NotFound, Refused
from shopkart_pipeline.domain.release import Release, number_of
from shopkart_pipeline.domain.verdict import Verdict
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.ports.forge import PullRequestEvent
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.judge_release import judge_release, stages_before
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.requests import PullRequestName

CANCELLED = "cancelled"
"""Kind of the notes about runs that were ended because their pull request moved on."""
_HISTORY = "pull_request"
_LOOKED_AT = 200
"""Newest events of a repository among which that of a merge is looked for."""


def name_of(release: Release) -> PullRequestName | None:
    """The pull request that a release is proposed by; None for a merge."""
    if release.pull_request is None:
        return None
    is_group = release.pull_request.merge_group is not None
    return PullRequestName(release.repository, release.pull_request.number, release.sha if is_group else "")


def name_in(event: PullRequestEvent) -> PullRequestName:
    """The pull request that an event is about."""
    return PullRequestName(event.repository, event.number, event.sha if event.merge_group else "")


def applicable_stages(service: Service, release: Release, phase: Phase) -> tuple[Stage, ...]:
    """The stages of a phase that a release may run, in order."""
    return tuple(stage for stage in service.stages_of(phase) if not _is_forbidden(service, release, stage))


def forbid(service: Service, release: Release, stage: Stage) -> None:
    """Raise `Refused` for a stage that a proposed change may not run."""
    if _is_forbidden(service, release, stage):
        what = f"{release.name} may not run {stage.name}: a pull request is tried out, never published or deployed."
        raise Refused(what, "Merge it; the merge is a release of its own.")


def _is_forbidden(service: Service, release: Release, stage: Stage) -> bool:
    if release.pull_request is None:
        return False
    kinds = {stage.kind, *(service.stage(name).kind for name in stages_before(service, stage))}
    return stage.phase is not Phase.CI or StageKind.PUBLISHED_IMAGE in kinds


def judge_pull_request(platform: Platform, release: Release) -> Verdict:
    """The verdict on a proposed change: over the stages of continuous integration that apply to it."""
    stages = applicable_stages(platform.service(release.service), release, Phase.CI)
    return judge_release(platform, release, [stage.name for stage in stages])


@dataclass(frozen=True)
class Standing:
    """What an event made of a pull request."""

    sha: str
    branch: str
    is_open: bool
    is_merged: bool
    updated_at: datetime
    attempt: int
    merge_sha: str | None = None
    """The commit that it became, where it was merged and that was told."""


def remember(platform: Platform, delivery: Delivery, event: PullRequestEvent) -> Standing:
    """Put an event into the history of its pull request, once; returns what it made of it."""
    name = name_in(event)
    state = "proposes" if event.is_open else "merged" if event.is_merged else "closed"
    earlier = [each for each in _history(platform, name) if each.updated_at <= event.updated_at]
    attempt = sum(1 for each in earlier if not each.is_open or (each.sha, each.branch) != (event.sha, event.branch))
    note = Note(
        event.repository,
        name.key,
        delivery.received_at,
        _HISTORY,
        f"{event.actor} {state} {event.sha[:12]} for {event.branch} (delivery {delivery.id})",
        {
            "sha": event.sha,
            "branch": event.branch,
            "is_open": event.is_open,
            "is_merged": event.is_merged,
            "updated_at": event.updated_at.isoformat(),
            "attempt": attempt,
            "merge_sha": event.merge_sha,
        },
    )
    platform.evidence.note_once(note)
    # Whoever remembered it first has counted; everybody else takes over that number.
    notes = platform.evidence.notes(note.service, note.release_key, _HISTORY)
    return next(_standing(each) for each in notes if each.message == note.message)


def standing(platform: Platform, name: PullRequestName) -> Standing | None:
    """How a pull request stands, of all that was told about it; None where nothing was."""
    latest: Standing | None = None
    for each in _history(platform, name):
        if latest is None or each.updated_at >= latest.updated_at:
            latest = each
    return latest


def reason_to_end(platform: Platform, name: PullRequestName, service: str, release_key: str) -> str | None:
    """Why a run for this release of a pull request has to end; None while its head stands."""
    stands = standing(platform, name)
    if stands is None:
        return None
    if not stands.is_open:
        what = "merge group" if name.merge_group else "pull request"
        return f"the {what} was merged" if stands.is_merged else f"the {what} was closed"
    try:
        release, source = platform.evidence.release(service, release_key), platform.service(service).source
    except NotFound as error:
        return error.what
    if release.sha != stands.sha:
        return f"superseded by {stands.sha[:12]}"
    return None if source.branch == stands.branch else f"the pull request is for {stands.branch} now"


def _history(platform: Platform, name: PullRequestName) -> list[Standing]:
    notes = platform.evidence.notes(name.repository, name.key, _HISTORY)
    return [_standing(note) for note in notes]


def _standing(note: Note) -> Standing:
    return Standing(
        sha=str(note.data["sha"]),
        branch=str(note.data["branch"]),
        is_open=note.data["is_open"] is True,
        is_merged=note.data["is_merged"] is True,
        updated_at=datetime.fromisoformat(str(note.data["updated_at"])),
        attempt=int(note.data["attempt"] or 0),
        merge_sha=str(merge_sha) if (merge_sha := note.data.get("merge_sha")) else None,
    )


def merged_by(platform: Platform, repository: str, sha: str) -> PullRequestName | None:
    """The pull request that became a commit of the branch; None where none is known that did."""
    for note in platform.evidence.newest_notes(_HISTORY, repository, _LOOKED_AT):
        if note.data.get("merge_sha") == sha:
            return PullRequestName(repository, number_of(note.release_key))
    return None
