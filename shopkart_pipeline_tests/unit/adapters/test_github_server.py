"""The GitHub of the tests answers in the shapes that GitHub publishes: each field of its documents is one that the
OpenAPI description has, of a value that is allowed there. It may leave fields out, which nobody here looks at."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from githubkit_schemas.latest import models
from pydantic import BaseModel, TypeAdapter

from shopkart_pipeline_tests.contract.code_host_worlds import PULL_REQUEST, REPOSITORY, SHA, GitHubWorldOf, github_world

AT = f"/repos/{REPOSITORY}"
OUTPUT = {
    "title": "2 findings",
    "summary": "…",
    "annotations": [
        {"path": "a.py", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "x", "title": "y"}
    ],
}
CHECK = {"name": "lint", "head_sha": SHA, "status": "completed", "conclusion": "failure", "output": OUTPUT}
DEPLOYMENT = {"ref": SHA, "auto_merge": False, "required_contexts": [], "environment": "production"}


@pytest.fixture
def world(tmp_path: Path) -> Generator[GitHubWorldOf]:
    with github_world(tmp_path, as_app=True) as made:
        yield made


def post(world: GitHubWorldOf, path: str, body: object) -> Any:
    return world.client.ask(REPOSITORY, lambda github: github.request("POST", path, json=body))


def assert_published(model: type[BaseModel], document: dict[str, Any]) -> None:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    assert set(document) <= set(fields)
    for name, value in document.items():
        kind = fields[name].annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            assert_published(kind, value)
        elif not (isinstance(value, dict) and value):
            TypeAdapter(kind).validate_json(json.dumps(value))


def test_check_runs_and_annotations_are_as_published(world: GitHubWorldOf) -> None:
    made = post(world, f"{AT}/check-runs", CHECK)
    listed = world.client.get(REPOSITORY, f"{AT}/commits/{SHA}/check-runs")
    annotations = world.client.get(REPOSITORY, f"{AT}/check-runs/{made['id']}/annotations")

    assert made["id"]
    assert_published(models.CheckRun, made)
    assert listed == {"total_count": 1, "check_runs": [made]}
    for annotation in annotations:
        assert_published(models.CheckAnnotation, annotation)


def test_statuses_are_as_published(world: GitHubWorldOf) -> None:
    assert_published(models.Status, post(world, f"{AT}/statuses/{SHA}", {"state": "success", "context": "x"}))


def test_deployments_and_their_statuses_are_as_published(world: GitHubWorldOf) -> None:
    made = post(world, f"{AT}/deployments", DEPLOYMENT)
    status = post(world, f"{AT}/deployments/{made['id']}/statuses", {"state": "success"})

    assert_published(models.Deployment, made)
    assert_published(models.DeploymentStatus, status)


def test_comments_are_as_published(world: GitHubWorldOf) -> None:
    assert_published(models.IssueComment, post(world, f"{AT}/issues/{PULL_REQUEST}/comments", {"body": "hello"}))


def test_apps_are_as_published(world: GitHubWorldOf) -> None:
    document = dict(world.client.itself())
    del document["permissions"]  # By name, whatever there is.
    assert_published(models.Integration, document)
