"""Checks at GitHub: check runs with an App's credentials, commit statuses with a plain token.

GitHub adds the annotations of each update to those that are there, takes fifty at once, and takes none back. So a check
run carries a fingerprint of all its annotations in `external_id`, and they are sent in order: of the same fingerprint,
`annotations_count` tells how many have arrived, and only the rest is sent. The conclusion comes with the last ones.
A completed run's status and conclusion never change again, whatever it is told. So a new check run of the same name,
which is shown instead of the older, is made where the old one is completed otherwise, or has other annotations.

A commit's status is its newest one of a context, so telling it again changes nothing.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.adapters._github_text import (
    DESCRIPTION_CHARACTERS,
    MESSAGE_BYTES,
    SUMMARY_BYTES,
    TITLE_CHARACTERS,
    block,
    line,
)
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.notice import Annotation, CheckNotice, CheckStatus, Conclusion

if TYPE_CHECKING:
    from githubkit_schemas.latest.types import ReposOwnerRepoCheckRunsPostBodyPropOutputType

    from shopkart_pipeline.adapters._github_session import Session

_AT_ONCE = 50
_MARK = "shopkart-pipeline:"
_REPLACED = "Replaced by a newer run of this check."


class CheckRuns:
    """Check runs of one App."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    def send(self, notice: CheckNotice, remote_id: str | None, *, maybe_sent: bool) -> str:
        """Make the check's newest run show this; gives the run's id."""
        fingerprint = _fingerprint(notice.annotations)
        run = self._standing(notice, remote_id, maybe_sent=maybe_sent)
        if run is not None and not _continues(run, notice, fingerprint):
            if run["status"] != CheckStatus.COMPLETED:
                self._close(notice, run["id"])
            run = None
        arrived = _annotations(run) if run is not None and run["external_id"] == fingerprint else 0
        rest = notice.annotations[arrived:]
        batches = [rest[start : start + _AT_ONCE] for start in range(0, len(rest), _AT_ONCE)] or [()]
        number: int | None = None if run is None else run["id"]
        was_completed = run is not None and run["status"] == CheckStatus.COMPLETED
        for place, batch in enumerate(batches, start=1):
            status = notice.status if was_completed or place == len(batches) else CheckStatus.IN_PROGRESS
            number = self._tell(notice, number, status, fingerprint, batch)
        return str(number)

    def _standing(self, notice: CheckNotice, remote_id: str | None, *, maybe_sent: bool) -> Any:
        """The run that shows this check now; None where there is none."""
        path = f"/repos/{notice.repository}"
        if maybe_sent:
            mine = {"check_name": notice.name, "app_id": self._client.itself()["id"], "filter": "all"}
            runs = self._client.each(
                notice.repository, f"{path}/commits/{notice.sha}/check-runs", mine, key="check_runs"
            )
            return max(runs, key=lambda run: run["id"], default=None)
        if remote_id is None or not remote_id.isdecimal():
            return None
        try:
            return self._client.get(notice.repository, f"{path}/check-runs/{remote_id}")
        except NotFound:
            return None

    def _tell(
        self,
        notice: CheckNotice,
        number: int | None,
        status: CheckStatus,
        fingerprint: str,
        batch: Sequence[Annotation],
    ) -> int:
        def act(github: "Session") -> Any:
            owner, name = notice.repository.split("/")
            about: dict[str, Any] = {
                "name": line(notice.name, TITLE_CHARACTERS),
                "external_id": fingerprint,
                "status": status.value,
                "output": _output(notice, batch),
            }
            if notice.details_url:
                about["details_url"] = notice.details_url
            if notice.started_at:
                about["started_at"] = _time(notice.started_at)
            if status is CheckStatus.COMPLETED and notice.conclusion is not None:
                about["conclusion"] = notice.conclusion.value
                about |= {"completed_at": _time(notice.completed_at)} if notice.completed_at else {}
            if number is None:
                return github.rest.checks.create(owner, name, head_sha=notice.sha, **about)
            return github.rest.checks.update(owner, name, number, **about)

        return int(self._client.ask(notice.repository, act)["id"])

    def _close(self, notice: CheckNotice, number: int) -> None:
        """End a run that another one takes the place of."""
        owner, name = notice.repository.split("/")
        self._client.ask(
            notice.repository,
            lambda github: github.rest.checks.update(
                owner,
                name,
                number,
                status="completed",
                conclusion="neutral",
                output={"title": "replaced", "summary": _REPLACED},
            ),
        )


class CommitStatuses:
    """Commit statuses, for those who are no App."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    def send(self, notice: CheckNotice) -> str:
        """Make the newest status of the check's context show this."""

        def act(github: "Session") -> Any:
            from githubkit.utils import UNSET

            owner, name = notice.repository.split("/")
            return github.rest.repos.create_commit_status(
                owner,
                name,
                notice.sha,
                state=_state(notice),
                context=line(notice.name, TITLE_CHARACTERS),
                description=line(notice.title, DESCRIPTION_CHARACTERS),
                target_url=notice.details_url or UNSET,
            )

        made = self._client.ask(notice.repository, act)
        return f"status/{made['id']}"


def _state(notice: CheckNotice) -> "Literal['error', 'failure', 'pending', 'success']":
    match notice.conclusion:
        case None:
            return "pending"
        case Conclusion.SUCCESS | Conclusion.SKIPPED:
            return "success"
        case Conclusion.FAILURE:
            return "failure"
        case Conclusion.CANCELLED:
            return "error"


def _continues(run: Any, notice: CheckNotice, fingerprint: str) -> bool:
    """Whether a run can come to show the notice."""
    if run["status"] == CheckStatus.COMPLETED and run["conclusion"] != notice.conclusion:
        return False
    return _annotations(run) == 0 or run["external_id"] == fingerprint


def _annotations(run: Any) -> int:
    return int(run["output"]["annotations_count"])


def _fingerprint(annotations: Sequence[Annotation]) -> str:
    return _MARK + hashlib.sha256(repr(tuple(annotations)).encode(errors="replace")).hexdigest()[:32]


def _output(notice: CheckNotice, batch: Sequence[Annotation]) -> "ReposOwnerRepoCheckRunsPostBodyPropOutputType":
    return {
        "title": line(notice.title, TITLE_CHARACTERS),
        "summary": block(notice.summary, SUMMARY_BYTES),
        "annotations": [
            {
                "path": line(each.path, 1000),
                "start_line": max(1, each.line),
                "end_line": max(1, each.line),
                "annotation_level": each.level.value,
                "title": line(each.title, TITLE_CHARACTERS),
                "message": block(each.message, MESSAGE_BYTES) or "(no message)",
            }
            for each in batch
        ],
    }


def _time(moment: datetime) -> datetime:
    """Whole seconds, as GitHub gives them back."""
    return moment.replace(microsecond=0)
