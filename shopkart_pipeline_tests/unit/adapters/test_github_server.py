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
from shopkart_pipeline_tests.fakes.github_server import hooks, protection, pulls

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


def test_pull_requests_and_reviews_are_as_published(world: GitHubWorldOf) -> None:
    repository = world.github.repositories[REPOSITORY]
    pulls.open_pull(world.github, repository, 7, SHA, "b" * 40)
    pulls.review(world.github, repository, 7, "maya", "APPROVED")
    pulls.close_pull(world.github, repository, 7, SHA)
    [listed] = world.client.get(REPOSITORY, f"{AT}/commits/{SHA}/pulls")
    [review] = world.client.get(REPOSITORY, f"{AT}/pulls/7/reviews")

    found = world.client.get(REPOSITORY, f"{AT}/pulls/7")
    for document in (found, listed):
        # It is in the version of the API that is asked for; these models are of a later one, which has left it out.
        assert document.pop("merge_commit_sha") == SHA
    assert_published(models.PullRequest, found)
    assert_published(models.PullRequestSimple, listed)
    assert_published(models.PullRequestReview, review)
    assert_published(models.GitRef, world.client.get(REPOSITORY, f"{AT}/git/ref/heads/main"))
    permission = world.client.get(REPOSITORY, f"{AT}/collaborators/maya/permission")
    assert_published(models.RepositoryCollaboratorPermission, permission)


def test_the_protection_of_branches_is_as_published(world: GitHubWorldOf) -> None:
    repository = world.github.repositories[REPOSITORY]
    pulls.changes_of(repository).heads["main"] = SHA
    protections = protection.protections_of(repository)
    protections.classic["main"] = protection.classic_rule()
    protections.rulesets = [protection.ruleset(1, {"type": "deletion"})]
    [rule] = world.client.get(REPOSITORY, f"{AT}/rules/branches/main")

    assert_published(models.BranchProtection, world.client.get(REPOSITORY, f"{AT}/branches/main/protection"))
    assert_published(models.RepositoryRuleset, world.client.get(REPOSITORY, f"{AT}/rulesets/1"))
    assert rule == {
        "type": "deletion",
        "ruleset_id": 1,
        "ruleset_source_type": "Repository",
        "ruleset_source": REPOSITORY,
    }
    assert_published(models.CodeownersErrors, world.client.get(REPOSITORY, f"{AT}/codeowners/errors"))


def test_deliveries_of_webhooks_are_as_published(world: GitHubWorldOf) -> None:
    hooks.app_hook(world.github).list("guid", "push", 502)

    [attempt] = world.client.get(None, "/app/hook/deliveries")

    assert_published(models.HookDeliveryItem, attempt)
