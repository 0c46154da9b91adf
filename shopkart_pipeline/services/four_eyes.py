"""Four eyes: whoever wrote something that would be new in production, or merged the release, does not count.

That holds also where it was merged by an earlier push that never got there, or under an address by which the code host
hides theirs.
"""

from shopkart_pipeline.domain.declaration import Approvals
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.checkout_source import base_commit
from shopkart_pipeline.services.platform import Platform


def others_than_writers(platform: Platform, release: Release, policy: Approvals) -> tuple[str, ...]:
    """The approvers who have no part in a release; all of them where four eyes are not asked for."""
    writers = _writers(platform, release) if policy.four_eyes else frozenset[str]()
    return tuple(name for name in policy.approvers if name.casefold() not in writers)


def check_four_eyes(platform: Platform, release: Release, principal: str, policy: Approvals) -> None:
    """Raises `Refused` where somebody who has a part in the release approves it."""
    writers = _writers(platform, release)
    if principal.casefold() in writers:
        others = [name for name in policy.approvers if name.casefold() not in writers]
        raise Refused(
            f"{principal} wrote part of {release.name}, or merged it, and can't approve it (four eyes).",
            f"Ask one of: {', '.join(others)}." if others else "Name another approver in the declaration.",
        )


def _writers(platform: Platform, release: Release) -> frozenset[str]:
    return writers_since(platform, release, base_commit(platform, release))


def writers_since(platform: Platform, release: Release, base: str | None) -> frozenset[str]:
    """Everybody who has a part in what a release brings beyond a commit, in lower case."""
    source = platform.service(release.service).source
    commits = platform.scm.commits(source, base, release.sha) if base is not None else ()
    people = {*release.people, *(person.email for each in commits for person in (each.author, each.committer))}
    known = platform.pipeline.code_host
    people |= {person for email in people if known and (person := known.person_of_address(email))}
    people |= {person for login in [release.actor] if known and (person := known.person(login))}
    return frozenset(email.casefold() for email in people)
