"""Whom production of a release waits for, and how they agree: for people who look at it, in words.

Nothing is decided here: `authorise_deploy` counts anew. Approvals that do not count are told with the reason, and who
has a part in the release is told before they try.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.awaited import Awaited
from shopkart_pipeline.domain.code_host import Command
from shopkart_pipeline.domain.declaration import Approvals, Phase
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.approve_release import weigh_approvals
from shopkart_pipeline.services.four_eyes import others_than_writers
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.request_production import still_awaited


@dataclass(frozen=True)
class ApprovalStatus:
    """How far the approval of a release is."""

    environment: str
    required: int
    agreed: Mapping[str, datetime]
    """Whose approval counts, and until when."""
    awaited_people: tuple[str, ...]
    """Who may still agree."""
    not_counted: tuple[str, ...]
    """Why somebody's approval does not count, or would not, one line each."""
    how: tuple[str, ...]
    """What to do in order to agree, one way each."""
    also_awaited: tuple[Awaited, ...]
    """What production waits for besides people."""

    @property
    def missing(self) -> int:
        return max(0, self.required - len(self.agreed))

    @property
    def words(self) -> str:
        """All in one line."""
        also = "; ".join(each.line for each in self.also_awaited)
        if not self.missing:
            return f"production waits: {also}" if also else "nothing is awaited"
        people = " or ".join(self.awaited_people) or "nobody who may: name another approver"
        counted = f"{len(self.agreed)} of {self.required} approvals, awaited from {people}"
        return f"{counted}; also awaited: {also}" if also else counted


def approval_status(platform: Platform, release: Release) -> ApprovalStatus:
    """The state of the approval of a release that has passed what comes before production."""
    deployment = platform.deployment_of(platform.service(release.service), Phase.PRODUCTION)
    records = platform.evidence.latest(release.service, release.key)
    count, policy = weigh_approvals(platform, release, deployment, records), deployment.approvals
    also = still_awaited(platform, release, records)
    if policy is None:
        return ApprovalStatus(deployment.environment, 0, {}, (), (), (), also)
    may, part_of_it = _who_may(platform, release, policy)
    return ApprovalStatus(
        environment=deployment.environment,
        required=count.required,
        agreed=count.until,
        awaited_people=tuple(name for name in may if name not in count.until),
        not_counted=(*count.rejected, *part_of_it),
        how=_how(platform, release, policy),
        also_awaited=also,
    )


def _who_may(platform: Platform, release: Release, policy: Approvals) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        may = others_than_writers(platform, release, policy)
    except PipelineError as error:
        return policy.approvers, (f"who has a part in it, and does not count, can't be seen: {error.what}",)
    writers = [name for name in policy.approvers if name not in may]
    return may, tuple(f"{name} has a part in it, so would not count (four eyes)" for name in writers)


def _how(platform: Platform, release: Release, policy: Approvals) -> tuple[str, ...]:
    signed = (f"shopkart approve {release.name}",) if policy.allowed_signers is not None else ()
    host = platform.pipeline.code_host
    told = ("/approve, as a comment at its pull request",) if host and host.commands.get(Command.APPROVE) else ()
    return (*signed, *told)
