"""GitHub as the code host: every notice becomes exactly one thing there, however often it is sent.

An App shows checks as check runs, a plain token as commit statuses. Whatever GitHub does not know (any more) can't be
shown: that is refused here, where `NotFound` would say nothing to the sender.
"""

import re

from shopkart_pipeline.adapters._github_checks import CheckRuns, CommitStatuses
from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.adapters._github_comments import PullRequestComments
from shopkart_pipeline.adapters._github_deployments import Deployments
from shopkart_pipeline.adapters._github_scans import CodeScanning
from shopkart_pipeline.domain.errors import NotFound, Refused
from shopkart_pipeline.domain.notice import CheckNotice, CommentNotice, DeploymentNotice, Notice, ScanNotice
from shopkart_pipeline.ports.code_host import CodeHost

_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/(?!\.{1,2}$)[A-Za-z0-9._-]+")


class GitHubHost(CodeHost):
    """One GitHub, as one identity."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client
        self._check_runs = CheckRuns(client)
        self._statuses = CommitStatuses(client)
        self._deployments = Deployments(client)
        self._comments = PullRequestComments(client)
        self._scans = CodeScanning(client)

    def send(self, notice: Notice, remote_id: str | None, *, maybe_sent: bool, sarif: bytes = b"") -> str:
        if not _REPOSITORY.fullmatch(notice.repository):
            raise Refused(f"{notice.repository!r} is no repository at GitHub.", "Name it as owner/name.")
        try:
            match notice:
                case CheckNotice() if self._client.is_app:
                    return self._check_runs.send(notice, remote_id, maybe_sent=maybe_sent)
                case CheckNotice():
                    return self._statuses.send(notice)
                case DeploymentNotice():
                    return self._deployments.send(notice, remote_id, maybe_sent=maybe_sent)
                case CommentNotice():
                    return self._comments.send(notice, remote_id)
                case ScanNotice():
                    return self._scans.send(notice, sarif)
        except NotFound as error:
            raise Refused(error.what, error.fix) from error
