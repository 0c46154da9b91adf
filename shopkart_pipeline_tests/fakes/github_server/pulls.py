"""Endpoints of branches, pull requests and reviews, and what people do with them."""

from dataclasses import dataclass, field
from typing import Any

from shopkart_pipeline_tests.fakes.github_server.serving import Answer, Call, Endpoint, Refusal
from shopkart_pipeline_tests.fakes.github_server.world import Document, GitHubWorld, Repository


@dataclass
class Changes:
    """What a repository knows of its branches and pull requests."""

    heads: dict[str, str] = field(default_factory=dict[str, str])
    """Commits by branch."""
    pulls: dict[int, Document] = field(default_factory=dict[int, Document])
    reviews: dict[int, list[Document]] = field(default_factory=dict[int, list[Document]])
    commits: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """Pull requests by commit."""
    permissions: dict[str, str] = field(default_factory=dict[str, str])
    """By login; who is not in it may read."""


def changes_of(repository: Repository) -> Changes:
    """The changes of a repository, which are made with it."""
    return repository.extra.setdefault("changes", Changes())


def account(login: str) -> Document:
    return {"login": login, "id": len(login), "type": "Bot" if login.endswith("[bot]") else "User"}


def open_pull(
    world: GitHubWorld, repository: Repository, number: int, sha: str, base_sha: str, login: str = "ana", **details: Any
) -> Document:
    """A pull request is opened, or gets another head."""
    branch, fork = str(details.pop("branch", "main")), bool(details.pop("from_fork", False))
    home = {"full_name": f"{login}/fork" if fork else repository.full_name}
    owner = repository.full_name.partition("/")[0]
    document = {
        "id": number * 1000,
        "number": number,
        "state": "open",
        "title": f"change {number}",
        "user": account(login),
        "draft": False,
        "base": {
            "ref": branch,
            "label": f"{owner}:{branch}",
            "sha": base_sha,
            "repo": {"full_name": repository.full_name},
        },
        "head": {"ref": f"change-{number}", "label": f"{owner}:change-{number}", "sha": sha, "repo": home},
        "merged_at": None,
        "closed_at": None,
        "merge_commit_sha": "e" * 40,
        "created_at": world.stamp(),
        "updated_at": world.stamp(),
        "html_url": f"https://github.example/{repository.full_name}/pull/{number}",
        **details,
    }
    changes_of(repository).pulls[number] = document
    repository.pull_requests.add(number)
    return document


def close_pull(world: GitHubWorld, repository: Repository, number: int, *shas: str) -> None:
    """A pull request is closed; merged, if it became commits of its branch."""
    changes = changes_of(repository)
    document = changes.pulls[number]
    document |= {"state": "closed", "closed_at": world.stamp(), "updated_at": world.stamp()}
    if shas:
        document |= {"merged_at": world.stamp(), "merge_commit_sha": shas[-1]}
        changes.heads[document["base"]["ref"]] = shas[-1]
    for sha in shas:
        repository.commits.add(sha)
        changes.commits.setdefault(sha, []).append(number)


def review(world: GitHubWorld, repository: Repository, number: int, login: str, state: str, **details: Any) -> None:
    """Somebody reviews the head of a pull request."""
    changes = changes_of(repository)
    document = {
        "id": next(world.ids),
        "user": account(login),
        "body": "",
        "state": state,
        "commit_id": changes.pulls[number]["head"]["sha"],
        "submitted_at": world.stamp(),
        "author_association": "NONE",
        **details,
    }
    changes.reviews.setdefault(number, []).append(document)


def _reference(call: Call) -> Answer:
    branch = call.path["branch"]
    heads = changes_of(call.repository).heads
    if branch not in heads:
        raise Refusal(404, "Not Found")
    return Answer({"ref": f"refs/heads/{branch}", "object": {"type": "commit", "sha": heads[branch]}})


def _pulls(call: Call) -> Answer:
    state, base = call.query.get("state", "open"), call.query.get("base")
    if call.query.get("sort") != "updated" or call.query.get("direction") != "desc":
        raise Refusal(422, "This GitHub lists pull requests by their newest update alone")
    found = [
        each
        for each in changes_of(call.repository).pulls.values()
        if state in ("all", each["state"]) and base in (None, each["base"]["ref"])
    ]
    return Answer(sorted(found, key=lambda each: (each["updated_at"], each["number"]), reverse=True), items="")


def _pull(call: Call) -> Answer:
    return Answer(_known(call) | {"merged": _known(call)["merged_at"] is not None})


def _reviews(call: Call) -> Answer:
    return Answer(changes_of(call.repository).reviews.get(_known(call)["number"], []), items="")


def _pulls_of_commit(call: Call) -> Answer:
    if call.path["sha"] not in call.repository.commits:
        raise Refusal(422, f"No commit found for SHA: {call.path['sha']}")
    changes = changes_of(call.repository)
    return Answer([changes.pulls[number] for number in changes.commits.get(call.path["sha"], [])], items="")


def _permission(call: Call) -> Answer:
    login = call.path["login"]
    if login.endswith("[bot]"):
        raise Refusal(404, f"{login} is not a user")
    permission = changes_of(call.repository).permissions.get(login, "read")
    return Answer({"permission": permission, "role_name": permission, "user": account(login)})


def _known(call: Call) -> Document:
    pulls, number = changes_of(call.repository).pulls, call.path["number"]
    if not number.isdecimal() or int(number) not in pulls:
        raise Refusal(404, "Not Found")
    return pulls[int(number)]


ENDPOINTS = [
    Endpoint("GET", "/repos/{owner}/{repo}/git/ref/heads/{branch...}", "contents=read", _reference),
    Endpoint("GET", "/repos/{owner}/{repo}/pulls", "pull_requests=read", _pulls),
    Endpoint("GET", "/repos/{owner}/{repo}/pulls/{number}", "pull_requests=read", _pull),
    Endpoint("GET", "/repos/{owner}/{repo}/pulls/{number}/reviews", "pull_requests=read", _reviews),
    Endpoint("GET", "/repos/{owner}/{repo}/commits/{sha}/pulls", "pull_requests=read", _pulls_of_commit),
    Endpoint("GET", "/repos/{owner}/{repo}/collaborators/{login}/permission", "metadata=read", _permission),
]
