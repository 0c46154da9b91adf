"""GitHub as the code host: every notice becomes exactly one thing there, however often it is sent.

An App shows checks as check runs, a plain token as commit statuses. Whatever GitHub does not know (any more) can't be
shown and is refused. Credentials that have ended are another matter: somebody gives new ones, and until then everything
waits, because a required check that was given up would never arrive. A notice whose answer makes no sense waits, too:
it is looked for next time, and holds nothing else up.
"""

import re
from datetime import timedelta

from shopkart_pipeline.adapters._github_checks import CheckRuns, CommitStatuses
from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.adapters._github_comments import PullRequestComments
from shopkart_pipeline.adapters._github_deployments import Deployments
from shopkart_pipeline.adapters._github_failures import CredentialsNotTaken
from shopkart_pipeline.adapters._github_scans import CodeScanning
from shopkart_pipeline.domain.errors import NotFound, Refused, UntrustedInput
from shopkart_pipeline.domain.notice import CheckNotice, CommentNotice, DeploymentNotice, Notice, ScanNotice
from shopkart_pipeline.ports.code_host import CodeHost

_REPOSITORY = re.compile(r"[A-Za-z0-9-]+/(?!\.{1,2}$)[A-Za-z0-9._-]+")

_SEND_SECONDS = 15.0
"""What one notice may take before its last request begins: it is sent in a sensor's tick, which ends after a minute."""
_UNTIL_MENDED = timedelta(minutes=5)


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
            with self._client.within(_SEND_SECONDS):
                return self._send(notice, remote_id, maybe_sent=maybe_sent, sarif=sarif)
        except NotFound as error:
            raise Refused(error.what, error.fix) from error
        except CredentialsNotTaken as error:
            raise self._client.later(f"{error.what} {error.fix}", _UNTIL_MENDED, everything=True) from error
        except UntrustedInput as error:
            raise self._client.later(error.what) from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            what = f"GitHub's answer about {notice.about} is not as it should be: {type(error).__name__}."
            raise self._client.later(what) from error

    def _send(self, notice: Notice, remote_id: str | None, *, maybe_sent: bool, sarif: bytes) -> str:
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
