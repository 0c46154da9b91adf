"""Issues: made, changed, and listed newest first."""

from shopkart_pipeline_tests.fakes.github_server.serving import Answer, Call, Endpoint, Refusal
from shopkart_pipeline_tests.fakes.github_server.world import Document

_TITLE_CHARACTERS, _BODY_CHARACTERS = 256, 65_536


def _check(call: Call) -> None:
    title, body = call.body.get("title"), call.body.get("body") or ""
    if "title" in call.body and not (title and len(title) <= _TITLE_CHARACTERS):
        raise Refusal(422, "Validation Failed", errors=[{"resource": "Issue", "code": "invalid", "field": "title"}])
    if len(body) > _BODY_CHARACTERS:
        words = "body is too long (maximum is 65536 characters)"
        raise Refusal(422, "Validation Failed", errors=[{"resource": "Issue", "code": "custom", "message": words}])


def _create(call: Call) -> Answer:
    _check(call)
    bot, repository = call.identity.kind == "installation", call.repository
    taken = [*repository.pull_requests, *(each["number"] for each in repository.issues)]
    labels: list[str] = call.body.get("labels") or []
    made: Document = {
        "id": next(call.world.ids),
        "number": max(taken, default=0) + 1,
        "title": call.body["title"],
        "body": call.body.get("body"),
        "state": "open",
        "labels": [{"name": each} for each in labels],
        "user": {"login": call.identity.login, "id": 41898282 if bot else 1, "type": "Bot" if bot else "User"},
        "created_at": call.world.stamp(),
    }
    repository.issues.append(made)
    return Answer(made, 201)


def _list(call: Call) -> Answer:
    state = call.query.get("state", "open")
    return Answer([each for each in reversed(call.repository.issues) if state in ("all", each["state"])], items="")


def _update(call: Call) -> Answer:
    _check(call)
    for issue in call.repository.issues:
        if issue["number"] == int(call.path["number"]):
            issue |= {key: call.body[key] for key in ("title", "body", "state") if key in call.body}
            return Answer(issue)
    raise Refusal(404, "Not Found")


_REPOSITORY = "/repos/{owner}/{repo}"
ENDPOINTS = [
    Endpoint("POST", f"{_REPOSITORY}/issues", "issues=write", _create),
    Endpoint("GET", f"{_REPOSITORY}/issues", "issues=read", _list),
    Endpoint("PATCH", f"{_REPOSITORY}/issues/{{number}}", "issues=write", _update),
]
