"""The releases that a commit of a branch became: of each service of its repository, the one that is named after it."""

from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.release import Release, release_key
from shopkart_pipeline.services.platform import Platform


def merged_releases(platform: Platform, repository: str, sha: str) -> tuple[Release, ...]:
    """The releases of a commit; none where it is not there, or concerned no service.

    Raises:
        ToolUnavailable: the repository does not answer.
    """
    found: list[Release] = []
    for service in platform.pipeline.services_in(repository):
        try:
            platform.scm.fetch(service.source, sha)
            key = release_key(sha, platform.scm.commit(service.source, sha).committed_at)
            found.append(platform.evidence.release(service.name, key))
        except NotFound:
            continue
    return tuple(found)
