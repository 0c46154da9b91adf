"""The one comment at a pull request. It begins with a mark that nobody sees, and counts only if the pipeline wrote it:
anybody could put the mark into a comment of theirs."""

from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.adapters._github_text import COMMENT_BYTES, block
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.notice import CommentNotice

MARK = "<!-- shopkart-pipeline -->"


class PullRequestComments:
    """Comments that the pipeline wrote."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    def send(self, notice: CommentNotice, remote_id: str | None) -> str:
        """Make the comment say this; gives its id. It is always looked for: whoever has lost its id has not lost it."""
        owner, name = notice.repository.split("/")
        body = block(f"{MARK}\n{notice.body}", COMMENT_BYTES)
        number = int(remote_id) if remote_id is not None and remote_id.isdecimal() else self._find(notice)
        if number is not None:
            try:
                return self._edit(notice, number, body)
            except NotFound:
                number = self._find(notice)  # Somebody deleted it.
        if number is not None:
            return self._edit(notice, number, body)
        made = self._client.ask(
            notice.repository,
            lambda github: github.rest.issues.create_comment(owner, name, notice.number, body=body),
        )
        return str(made["id"])

    def _edit(self, notice: CommentNotice, number: int, body: str) -> str:
        owner, name = notice.repository.split("/")
        self._client.ask(
            notice.repository, lambda github: github.rest.issues.update_comment(owner, name, number, body=body)
        )
        return str(number)

    def _find(self, notice: CommentNotice) -> int | None:
        path = f"/repos/{notice.repository}/issues/{notice.number}/comments"
        for comment in self._client.each(notice.repository, path, maximum_pages=100):
            if str(comment.get("body", "")).startswith(MARK) and self._client.wrote(comment):
                return int(comment["id"])
        return None
