"""Checkout: the repository at the release's commit, and at the commit that new code is measured against."""

from pathlib import Path

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.evidence import Evidence, Tool, ToolRun
from shopkart_pipeline.domain.release import PullRequest, Release
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import current
from shopkart_pipeline.services.waivers import ended_notes

FROM_FORK = "from a fork: runs without secrets, and nothing is pushed or deployed; its results stand for forks alone"


def checkout_source(platform: Platform, release: Release) -> ToolRun:
    """Write the trees. Measures: `commits`, `changed_files`."""
    source = platform.service(release.service).source
    tree(platform, release)
    base_tree(platform, release)
    commits = platform.scm.commits(source, release.previous_sha, release.sha) if release.previous_sha else ()
    changed = platform.scm.changed_paths(source, base_commit(platform, release), release.sha)
    commit = platform.scm.commit(source, release.sha)
    service = platform.service(release.service)
    waivers = platform.waivers.read(tree(platform, release), service, release.received_at)
    left_out = [f"{each.stage}{f'.{each.gate}' if each.gate else ''}" for each in service.left_out]
    evidence = Evidence(
        tool=Tool("git", "mirror"),
        summary=f"{release.sha[:12]} {commit.title} ({commit.author.name})",
        measures={"commits": len(commits), "changed_files": len(changed)},
        facts={
            "commit": release.sha,
            "author": f"{commit.author.name} <{commit.author.email}>",
            "base": base_commit(platform, release) or "none",
            "tree": platform.scm.tree_digest(source, release.sha, (source.path, *source.shared_paths)),
            "declaration": platform.pipeline.digest,
            **({"left_out": ", ".join(left_out)} if left_out else {}),
            **({"from_fork": "true"} if _is_from_fork(release) else {}),
        },
        notes=(*_restrictions(release), *ended_notes(platform, release, waivers)),
        waivers=waivers,
    )
    return ToolRun(evidence)


def tree(platform: Platform, release: Release) -> Path:
    """The repository at the release's commit; made again where it is gone."""
    return exported(platform, release, release.sha)


def base_commit(platform: Platform, release: Release) -> str | None:
    """What new code is measured against: the commit in production, else where the branch stood before the push. For a
    pull request it is the commit that it started from."""
    if release.pull_request is not None:
        return release.pull_request.base_sha
    environment = platform.environment_of(Phase.PRODUCTION).name
    placed = current(platform, release.service, environment)
    return placed.commit if placed is not None else release.previous_sha


def base_tree(platform: Platform, release: Release) -> Path | None:
    """The repository at the base commit, or None where there is none."""
    base = base_commit(platform, release)
    return exported(platform, release, base) if base is not None else None


def _is_from_fork(release: Release) -> bool:
    return release.pull_request is not None and release.pull_request.from_fork


def _restrictions(release: Release) -> tuple[str, ...]:
    return (FROM_FORK,) if _is_from_fork(release) else ()


def exported(platform: Platform, release: Release, sha: str) -> Path:
    """The release's repository at a commit; made where it is not there."""
    source = platform.service(release.service).source
    destination = platform.workspace.tree(release.repository, sha)
    if not destination.exists():
        proposed = release.pull_request
        platform.scm.fetch(source, sha, reference_of(platform, proposed) if proposed else None)
        platform.scm.export(source, sha, destination)
    return destination


def reference_of(platform: Platform, proposed: PullRequest) -> str:
    """The reference by which the repository hands out the head of a proposed change."""
    return proposed.merge_group or platform.forge.head_reference(proposed.number)
