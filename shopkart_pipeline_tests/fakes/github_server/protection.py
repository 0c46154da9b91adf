"""Endpoints of branch protection: classic rules, rulesets, CODEOWNERS."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from shopkart_pipeline_tests.fakes.github_server.pulls import changes_of
from shopkart_pipeline_tests.fakes.github_server.serving import Answer, Call, Endpoint, Refusal
from shopkart_pipeline_tests.fakes.github_server.world import Document, Repository


@dataclass
class Protections:
    """How the branches of a repository are protected."""

    classic: dict[str, Document] = field(default_factory=dict[str, Document])
    """By branch."""
    rulesets: list[Document] = field(default_factory=list[Document])
    """With `branches` beside what GitHub tells."""
    files: dict[str, str] = field(default_factory=dict[str, str])
    """Contents by path, the same on every branch."""
    owners_errors: list[Document] = field(default_factory=list[Document])


def protections_of(repository: Repository) -> Protections:
    """The protections of a repository, which are made with it."""
    return repository.extra.setdefault("protections", Protections())


def classic_rule(**details: Any) -> Document:
    """A classic rule as GitHub tells it when everything that it offers is on, but for signed commits."""
    return {
        "required_pull_request_reviews": {
            "dismiss_stale_reviews": True,
            "require_code_owner_reviews": True,
            "require_last_push_approval": False,
            "required_approving_review_count": 1,
        },
        "required_status_checks": {
            "strict": True,
            "contexts": ["shopkart"],
            "checks": [{"context": "shopkart", "app_id": 4711}],
        },
        "enforce_admins": {"enabled": True},
        "required_signatures": {"enabled": False},
        "required_linear_history": {"enabled": False},
        "allow_force_pushes": {"enabled": False},
        "allow_deletions": {"enabled": False},
        "restrictions": None,
        **details,
    }


def ruleset(number: int, *rules: Document, branch: str = "main", bypass: list[Document] | None = None) -> Document:
    """An active ruleset for one branch."""
    return {
        "id": number,
        "name": f"ruleset {number}",
        "target": "branch",
        "source_type": "Repository",
        "enforcement": "active",
        "bypass_actors": bypass or [],
        "rules": list(rules),
        "branches": [branch],
    }


def _classic(call: Call) -> Answer:
    branch = _branch(call)
    rule = protections_of(call.repository).classic.get(branch)
    if rule is None:
        raise Refusal(404, "Branch not protected")
    return Answer(rule)


def _rules(call: Call) -> Answer:
    branch = unquote(call.path["branch"])
    found = [
        {
            **rule,
            "ruleset_id": each["id"],
            "ruleset_source_type": "Repository",
            "ruleset_source": call.repository.full_name,
        }
        for each in protections_of(call.repository).rulesets
        if each["enforcement"] == "active" and branch in each["branches"]
        for rule in each["rules"]
    ]
    return Answer(found, items="")


def _ruleset(call: Call) -> Answer:
    for each in protections_of(call.repository).rulesets:
        if str(each["id"]) == call.path["id"]:
            # "The `bypass_actors` property is only returned if the user has write access to the ruleset."
            hidden = {"branches"} | (set() if _may_administer(call) else {"bypass_actors"})
            return Answer({name: value for name, value in each.items() if name not in hidden})
    raise Refusal(404, "Not Found")


def _may_administer(call: Call) -> bool:
    return call.identity.permissions.get("administration") == "write"


def _content(call: Call) -> Answer:
    path = call.path["path"]
    content = protections_of(call.repository).files.get(path)
    if content is None:
        raise Refusal(404, "Not Found")
    return Answer({"type": "file", "path": path, "size": len(content), "encoding": "base64", "content": ""})


def _owners_errors(call: Call) -> Answer:
    return Answer({"errors": protections_of(call.repository).owners_errors})


def _branch(call: Call) -> str:
    branch = unquote(call.path["branch"])
    if branch not in changes_of(call.repository).heads:
        raise Refusal(404, "Branch not found")
    return branch


ENDPOINTS = [
    Endpoint("GET", "/repos/{owner}/{repo}/branches/{branch...}/protection", "administration=read", _classic),
    Endpoint("GET", "/repos/{owner}/{repo}/rules/branches/{branch...}", "metadata=read", _rules),
    Endpoint("GET", "/repos/{owner}/{repo}/rulesets/{id}", "metadata=read", _ruleset),
    Endpoint("GET", "/repos/{owner}/{repo}/contents/{path...}", "contents=read", _content),
    Endpoint("GET", "/repos/{owner}/{repo}/codeowners/errors", "contents=read", _owners_errors),
]
