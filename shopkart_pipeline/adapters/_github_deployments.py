"""Deployments at GitHub: one for each attempt to roll a release out, with its states one after the other.

Ours are known by what their payload says they are about. GitHub merges nothing into what is deployed and waits for no
checks of its own (`auto_merge`, `required_contexts`): whether a release may be deployed was decided from evidence.

What succeeds takes the place of what was there before, so the service's earlier deployments in that environment become
inactive. GitHub itself (`auto_inactive`) would not do that in production, and elsewhere to any service's deployments.
"""

import json
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.adapters._github_text import DESCRIPTION_CHARACTERS, line
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.notice import DeploymentNotice, DeploymentState

if TYPE_CHECKING:
    from shopkart_pipeline.adapters._github_session import Session

_REPLACED = DeploymentState.INACTIVE
_LOOKED_AT = 50
"""Newest deployments of an environment among which what was replaced is looked for."""


class Deployments:
    """Deployments that the pipeline made."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    def send(self, notice: DeploymentNotice, remote_id: str | None, *, maybe_sent: bool) -> str:
        """Make the deployment's newest state this one; gives the deployment's id."""
        number = int(remote_id) if remote_id is not None and remote_id.isdecimal() else None
        if number is None and maybe_sent:
            number = self._find(notice)
        if number is not None:
            try:
                if not self._stands(notice, number):
                    self._tell(notice, number)
            except NotFound:
                number = None  # Somebody deleted it.
        if number is None:
            number = self._make(notice)
            self._tell(notice, number)
        if notice.state is DeploymentState.SUCCESS:
            self._retire(notice, number)
        return str(number)

    def _retire(self, notice: DeploymentNotice, number: int) -> None:
        """Make what a deployment replaced inactive, or itself, where news of it comes later than what replaced it.

        One that is inactive ends the search: what is older was seen to when that one was replaced.
        """
        same, replaced = {"environment": notice.environment}, replace(notice, state=_REPLACED, description="replaced")
        listed = self._client.each(notice.repository, f"/repos/{notice.repository}/deployments", same)
        for deployment in islice(listed, _LOOKED_AT):
            other = int(deployment["id"])
            if other == number or _payload(deployment).get("service") != notice.service:
                continue
            newest = self._newest_state(notice, other)
            state = None if newest is None else newest["state"]
            if state == DeploymentState.SUCCESS:
                self._tell(replaced, min(other, number))
            if state == _REPLACED or (state == DeploymentState.SUCCESS and other > number):
                return

    def _find(self, notice: DeploymentNotice) -> int | None:
        same = {"sha": notice.sha, "environment": notice.environment}
        for deployment in self._client.each(notice.repository, f"/repos/{notice.repository}/deployments", same):
            if _payload(deployment).get("about") == notice.about:
                return int(deployment["id"])
        return None

    def _stands(self, notice: DeploymentNotice, number: int) -> bool:
        """Whether the newest state is this one already."""
        newest = self._newest_state(notice, number)
        said = (notice.state.value, line(notice.description, DESCRIPTION_CHARACTERS))
        return newest is not None and (newest["state"], newest["description"]) == said

    def _newest_state(self, notice: DeploymentNotice, number: int) -> Any:
        path = f"/repos/{notice.repository}/deployments/{number}/statuses"
        return next(iter(self._client.each(notice.repository, path)), None)

    def _make(self, notice: DeploymentNotice) -> int:
        owner, name = notice.repository.split("/")
        made = self._client.ask(
            notice.repository,
            lambda github: github.rest.repos.create_deployment(
                owner,
                name,
                ref=notice.sha,
                task="deploy",
                auto_merge=False,
                required_contexts=[],
                environment=notice.environment,
                production_environment=notice.is_production,
                transient_environment=False,
                description=line(f"{notice.service} {notice.release_key}", DESCRIPTION_CHARACTERS),
                payload={
                    "about": notice.about,
                    "service": notice.service,
                    "release": notice.release_key,
                    "run": notice.run_id,
                },
            ),
        )
        return int(made["id"])

    def _tell(self, notice: DeploymentNotice, number: int) -> None:
        def act(github: "Session") -> Any:
            from githubkit.utils import UNSET

            owner, name = notice.repository.split("/")
            return github.rest.repos.create_deployment_status(
                owner,
                name,
                number,
                state=notice.state.value,
                description=line(notice.description, DESCRIPTION_CHARACTERS),
                log_url=notice.log_url or UNSET,
                environment_url=notice.environment_url or UNSET,
                auto_inactive=False,
            )

        self._client.ask(notice.repository, act)


def _payload(deployment: Any) -> dict[str, Any]:
    """What a deployment was given; GitHub gives documents back as such, or as text."""
    payload = deployment.get("payload")
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except ValueError:
            return {}
    return cast("dict[str, Any]", payload) if isinstance(payload, dict) else {}
