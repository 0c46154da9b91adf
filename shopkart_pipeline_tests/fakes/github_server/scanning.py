"""Uploads for code scanning. Unlike the real one it looks at the document at once, and is as strict about it."""

import base64
import gzip
import json
import uuid

from shopkart_pipeline_tests.fakes.github_server.serving import Answer, Call, Endpoint, Refusal

_RUNS, _RESULTS = 20, 25_000


def _upload(call: Call) -> Answer:
    if not call.repository.has_code_scanning:
        raise Refusal(403, "Advanced Security must be enabled for this repository to use code scanning.")
    body = call.body
    if body["commit_sha"] not in call.repository.commits:
        raise Refusal(422, "commit not found")
    if not body["ref"].startswith(("refs/heads/", "refs/pull/", "refs/tags/")):
        raise Refusal(422, "ref is not a valid ref name")
    try:
        document = json.loads(gzip.decompress(base64.b64decode(body["sarif"], validate=True)))
    except (ValueError, OSError):
        raise Refusal(400, "Invalid SARIF: expected a base64 encoding of a gzip") from None
    runs = document["runs"]
    categories = [_category(run) for run in runs]
    if document["version"] != "2.1.0" or not 1 <= len(runs) <= _RUNS:
        raise Refusal(422, "Invalid SARIF: version or number of runs")
    if len(set(zip(categories, [run["tool"]["driver"]["name"] for run in runs], strict=True))) < len(runs):
        raise Refusal(422, "multiple runs with the same category and tool")
    for run in runs:
        if "results" not in run or len(run["results"]) > _RESULTS:
            raise Refusal(422, "Invalid SARIF: results")
        if any(not result.get("locations") for result in run["results"]):
            raise Refusal(422, "locationFromSarifResult: expected at least one location")
    upload = {
        "id": str(uuid.uuid4()),
        "commit_sha": body["commit_sha"],
        "ref": body["ref"],
        "categories": categories,
        "document": document,
    }
    call.repository.sarif_uploads.append(upload)
    return Answer({"id": upload["id"], "url": f"{call.address}/sarifs/{upload['id']}"}, 202)


def _category(run: dict[str, dict[str, str]]) -> str:
    """GitHub's rule: what is before the last slash."""
    return run.get("automationDetails", {}).get("id", "").rpartition("/")[0]


ENDPOINTS = [
    Endpoint("POST", "/repos/{owner}/{repo}/code-scanning/sarifs", "security_events=write", _upload),
]
