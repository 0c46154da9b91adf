"""Check runs and statuses of commits, with the limits and errors of the real ones.

Annotations of an update are added to those that are there; a check run belongs to the App that made it. Once it is
completed its status and conclusion stay: it can't be begun anew, and another conclusion is taken and not kept.
"""

from shopkart_pipeline_tests.fakes.github_server.serving import Answer, Call, Endpoint, Refusal
from shopkart_pipeline_tests.fakes.github_server.world import Document

_CONCLUSIONS = {"action_required", "cancelled", "failure", "neutral", "success", "skipped", "stale", "timed_out"}
_SUMMARY_CHARACTERS = 65_535
_ANNOTATIONS = 50
_DESCRIPTION_CHARACTERS = 140
_STATUSES = 1000


def _known(call: Call, sha: str) -> None:
    if sha not in call.repository.commits:
        raise Refusal(422, f"No commit found for SHA: {sha}")


def _create(call: Call) -> Answer:
    if call.identity.app is None:
        raise Refusal(403, "You must authenticate via a GitHub App.")
    _known(call, call.body["head_sha"])
    run: Document = {
        "id": next(call.world.ids),
        "name": call.body["name"],
        "head_sha": call.body["head_sha"],
        "app": call.identity.app.document,
        "status": "queued",
        "conclusion": None,
        "external_id": "",
        "details_url": None,
        "started_at": call.world.stamp(),
        "completed_at": None,
        "output": {"title": None, "summary": None, "text": None, "annotations_count": 0},
        "pull_requests": [],
    }
    _change(call, run)
    call.repository.check_runs.append(run)
    return Answer(run, 201)


def _update(call: Call) -> Answer:
    run = _run(call)
    if call.identity.app is None or run["app"]["id"] != call.identity.app.id:
        raise Refusal(403, f"Invalid app_id `{run['app']['id']}` - check run can only be modified by the GitHub App")
    _change(call, run)
    return Answer(run)


def _change(call: Call, run: Document) -> None:
    body = call.body
    output = body.get("output") or {}
    if body.get("status") == "completed" and body.get("conclusion") not in _CONCLUSIONS:
        raise Refusal(422, "Invalid request.\n\nNo subschema in anyOf matched.")
    if output and not (output.get("title") and output.get("summary")):
        raise Refusal(422, 'Invalid request.\n\n"summary" wasn\'t supplied.')
    if len(output.get("summary", "")) > _SUMMARY_CHARACTERS:
        raise Refusal(422, "Invalid request.\n\nOnly 65535 characters are allowed.")
    annotations = output.get("annotations", [])
    if len(annotations) > _ANNOTATIONS:
        raise Refusal(422, f"Invalid request.\n\nNo more than 50 items are allowed; {len(annotations)} were supplied.")
    if any(not (each["path"] and each["message"] and each["start_line"] >= 1) for each in annotations):
        raise Refusal(422, "Invalid request.\n\nInvalid annotation.")
    if str(body.get("details_url", "http")).partition(":")[0] not in ("http", "https"):
        raise Refusal(422, "Invalid request.\n\ndetails_url must use http or https scheme.")
    kept = ["name", "external_id", "details_url"]
    if run["status"] == "completed" and body.get("status", "completed") != "completed":
        raise Refusal(422, "Validation Failed: a completed check run can't be begun anew.")
    if run["status"] != "completed":
        kept += ["status", "conclusion", "started_at", "completed_at"]
    run |= {name: body[name] for name in kept if name in body}
    if run["status"] != "completed":
        run |= {"conclusion": None, "completed_at": None}
    elif run["completed_at"] is None:
        run["completed_at"] = call.world.stamp()
    every = call.repository.annotations.setdefault(run["id"], [])
    every += annotations
    said = {name: output[name] for name in ("title", "summary", "text") if name in output}
    run["output"] = {**run["output"], **said, "annotations_count": len(every)}


def _run(call: Call) -> Document:
    for run in call.repository.check_runs:
        if run["id"] == int(call.path["run"]):
            return run
    raise Refusal(404, "Not Found")


def _runs(call: Call) -> Answer:
    _known(call, call.path["sha"])
    wanted = {"name": call.query.get("check_name"), "status": call.query.get("status")}
    runs = [
        run
        for run in call.repository.check_runs
        if run["head_sha"] == call.path["sha"]
        and all(value is None or run[name] == value for name, value in wanted.items())
        and call.query.get("app_id", str(run["app"]["id"])) == str(run["app"]["id"])
    ]
    if call.query.get("filter", "latest") == "latest":
        runs = list({(run["app"]["id"], run["name"]): run for run in runs}.values())
    return Answer({"total_count": len(runs), "check_runs": runs[::-1]}, items="check_runs")


def _annotations(call: Call) -> Answer:
    return Answer(call.repository.annotations[_run(call)["id"]], items="")


def _create_status(call: Call) -> Answer:
    body, sha = call.body, call.path["sha"]
    _known(call, sha)
    if body.get("state") not in ("error", "failure", "pending", "success"):
        raise Refusal(422, "Validation Failed", errors=[{"resource": "Status", "code": "custom", "field": "state"}])
    if len(body.get("description") or "") > _DESCRIPTION_CHARACTERS:
        words = "description is too long (maximum is 140 characters)"
        error = {"resource": "Status", "code": "custom", "field": "description", "message": words}
        raise Refusal(422, "Validation Failed", errors=[error])
    same = [each for each in _of_commit(call) if each["context"] == body.get("context", "default")]
    if len(same) >= _STATUSES:
        words = "This SHA and context has reached the maximum number of statuses."
        raise Refusal(422, "Validation Failed", errors=[{"resource": "Status", "code": "custom", "message": words}])
    made = {
        "id": next(call.world.ids),
        "url": f"{call.address}/repos/{call.repository.full_name}/statuses/{sha}",
        "state": body["state"],
        "context": body.get("context", "default"),
        "description": body.get("description"),
        "target_url": body.get("target_url"),
        "creator": {"login": call.identity.login},
        "created_at": call.world.stamp(),
    }
    call.repository.statuses.append(made)
    return Answer(made, 201)


def _statuses(call: Call) -> Answer:
    return Answer(_of_commit(call)[::-1], items="")


def _of_commit(call: Call) -> list[Document]:
    return [each for each in call.repository.statuses if each["url"].endswith(f"/{call.path['sha']}")]


_REPOSITORY = "/repos/{owner}/{repo}"
ENDPOINTS = [
    Endpoint("POST", f"{_REPOSITORY}/check-runs", "checks=write", _create),
    Endpoint("PATCH", f"{_REPOSITORY}/check-runs/{{run}}", "checks=write", _update),
    Endpoint("GET", f"{_REPOSITORY}/check-runs/{{run}}", "checks=read", lambda call: Answer(_run(call))),
    Endpoint("GET", f"{_REPOSITORY}/check-runs/{{run}}/annotations", "checks=read", _annotations),
    Endpoint("GET", f"{_REPOSITORY}/commits/{{sha}}/check-runs", "checks=read", _runs),
    Endpoint("POST", f"{_REPOSITORY}/statuses/{{sha}}", "statuses=write", _create_status),
    Endpoint("GET", f"{_REPOSITORY}/commits/{{sha}}/statuses", "statuses=read", _statuses),
]
