"""Deployments and their statuses, with the defaults that surprise: `auto_merge`, required contexts, `auto_inactive`."""

from shopkart_pipeline_tests.fakes.github_server.serving import Answer, Call, Endpoint, Refusal
from shopkart_pipeline_tests.fakes.github_server.world import Document

_STATES = {"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}
_DESCRIPTION_CHARACTERS = 140


def _create(call: Call) -> Answer:
    body = call.body
    if body["ref"] not in call.repository.commits:
        raise Refusal(422, f"No ref found for: {body['ref']}")
    if body.get("auto_merge", True):
        raise Refusal(409, "Conflict merging main into the deployed ref.")
    contexts = body.get("required_contexts")
    passed = {each["context"] for each in call.repository.statuses if each["state"] == "success"}
    if contexts != [] and not (contexts and set(contexts) <= passed):
        raise Refusal(409, "Conflict: Commit status checks failed.")
    made: Document = {
        "id": next(call.world.ids),
        "sha": body["ref"],
        "ref": body["ref"],
        "task": body.get("task", "deploy"),
        "payload": body.get("payload", ""),
        "environment": body.get("environment", "production"),
        "original_environment": body.get("environment", "production"),
        "description": body.get("description"),
        "creator": {"login": call.identity.login},
        "transient_environment": body.get("transient_environment", False),
        "production_environment": body.get("production_environment", body.get("environment") == "production"),
        "created_at": call.world.stamp(),
    }
    call.repository.deployments.append(made)
    return Answer(made, 201)


def _list(call: Call) -> Answer:
    wanted = {name: call.query[name] for name in ("sha", "ref", "task", "environment") if name in call.query}
    found = [
        each for each in call.repository.deployments[::-1] if all(each[name] == value for name, value in wanted.items())
    ]
    return Answer(found, items="")


def _deployment(call: Call) -> Document:
    for deployment in call.repository.deployments:
        if deployment["id"] == int(call.path["deployment"]):
            return deployment
    raise Refusal(404, "Not Found")


def _create_status(call: Call) -> Answer:
    deployment, body = _deployment(call), call.body
    if body.get("state") not in _STATES:
        raise Refusal(422, "Validation Failed", errors=[{"resource": "DeploymentStatus", "field": "state"}])
    if len(body.get("description") or "") > _DESCRIPTION_CHARACTERS:
        raise Refusal(422, "Validation Failed", errors=["description is too long (maximum is 140 characters)"])
    made = _add_status(call, deployment, body)
    if body["state"] == "success" and body.get("auto_inactive", True):
        for other in call.repository.deployments:
            newest = call.repository.deployment_statuses.get(other["id"], [{"state": ""}])[-1]
            same = other["environment"] == deployment["environment"] and other["id"] != deployment["id"]
            lasting = not other["transient_environment"] and not other["production_environment"]
            if same and lasting and newest["state"] == "success":
                _add_status(call, other, {"state": "inactive"})
    return Answer(made, 201)


def _add_status(call: Call, deployment: Document, body: Document) -> Document:
    made = {
        "id": next(call.world.ids),
        "state": body["state"],
        "description": body.get("description", ""),
        "environment": deployment["environment"],
        "log_url": body.get("log_url", ""),
        "environment_url": body.get("environment_url", ""),
        "creator": {"login": call.identity.login},
        "created_at": call.world.stamp(),
    }
    call.repository.deployment_statuses.setdefault(deployment["id"], []).append(made)
    return made


def _statuses(call: Call) -> Answer:
    return Answer(call.repository.deployment_statuses.get(_deployment(call)["id"], [])[::-1], items="")


_REPOSITORY = "/repos/{owner}/{repo}"
ENDPOINTS = [
    Endpoint("POST", f"{_REPOSITORY}/deployments", "deployments=write", _create),
    Endpoint("GET", f"{_REPOSITORY}/deployments", "deployments=read", _list),
    Endpoint("POST", f"{_REPOSITORY}/deployments/{{deployment}}/statuses", "deployments=write", _create_status),
    Endpoint("GET", f"{_REPOSITORY}/deployments/{{deployment}}/statuses", "deployments=read", _statuses),
]
