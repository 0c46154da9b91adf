"""Comments at issues and pull requests, oldest first."""

from shopkart_pipeline_tests.fakes.github_server.serving import Answer, Call, Endpoint, Refusal
from shopkart_pipeline_tests.fakes.github_server.world import Document, GitHubWorld, Identity, Repository

_BODY_CHARACTERS = 65_536


def comment_as(world: GitHubWorld, repository: Repository, number: int, identity: Identity, body: str) -> Document:
    """Have somebody write a comment."""
    bot = identity.kind == "installation"
    made: Document = {
        "id": next(world.ids),
        "issue_url": f"https://api.github.com/repos/{repository.full_name}/issues/{number}",
        "user": {"login": identity.login, "id": 41898282 if bot else 1, "type": "Bot" if bot else "User"},
        "body": body,
        "performed_via_github_app": identity.app.document if identity.app is not None else None,
        "created_at": world.stamp(),
        "updated_at": world.stamp(),
    }
    repository.comments.append(made)
    return made


def _check(call: Call) -> str:
    body = call.body.get("body") or ""
    if not body or len(body) > _BODY_CHARACTERS:
        words = "Body is too long (maximum is 65536 characters)" if body else "Body cannot be blank"
        error = {"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": words}
        raise Refusal(422, "Validation Failed", errors=[error])
    return body


def _issue(call: Call) -> int:
    number = int(call.path["number"])
    if number not in call.repository.pull_requests:
        raise Refusal(404, "Not Found")
    return number


def _create(call: Call) -> Answer:
    return Answer(comment_as(call.world, call.repository, _issue(call), call.identity, _check(call)), 201)


def _list(call: Call) -> Answer:
    number = _issue(call)
    return Answer(
        [each for each in call.repository.comments if each["issue_url"].endswith(f"/issues/{number}")], items=""
    )


def _update(call: Call) -> Answer:
    for comment in call.repository.comments:
        if comment["id"] == int(call.path["comment"]):
            if comment["user"]["login"] != call.identity.login:
                raise Refusal(403, "Must have admin rights to Repository.")
            comment |= {"body": _check(call), "updated_at": call.world.stamp()}
            return Answer(comment)
    raise Refusal(404, "Not Found")


_EITHER_READ, _EITHER_WRITE = "issues=read; pull_requests=read", "issues=write; pull_requests=write"
_REPOSITORY = "/repos/{owner}/{repo}"
ENDPOINTS = [
    Endpoint("POST", f"{_REPOSITORY}/issues/{{number}}/comments", _EITHER_WRITE, _create),
    Endpoint("GET", f"{_REPOSITORY}/issues/{{number}}/comments", _EITHER_READ, _list),
    Endpoint("PATCH", f"{_REPOSITORY}/issues/comments/{{comment}}", _EITHER_WRITE, _update),
]
