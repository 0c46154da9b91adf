"""A channel that is one issue at GitHub for each incident: made once, changed as things go on, closed when it is over.

The issue is known by a mark that nobody sees, and counts only if the pipeline wrote it. What we tell comes from logs
and commits, so it stands in a block of code: nobody is mentioned by it, and nothing is linked.

Source: GitHub, "REST API endpoints for issues".
"""

import re
from typing import Any, cast

from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.adapters._github_failures import CredentialsNotTaken
from shopkart_pipeline.adapters._github_text import COMMENT_BYTES, TITLE_CHARACTERS, block, line
from shopkart_pipeline.domain.errors import NotFound, PipelineError, Refused
from shopkart_pipeline.domain.notification import Notification, Urgency
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.code_host import TryLater
from shopkart_pipeline.ports.notifier import NotDelivered, Notifier

_SEND_SECONDS = 15.0
_PAGE, _PAGES = 100, 3
"""The newest issues among which ours is looked for where its number was lost."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._/-]")
_FENCES = re.compile(r"`{3,}")
_ADDRESS = re.compile(r"https?://[!-;=?-~]+")
"""Nothing in it ends a link."""


class GitHubIssue(Notifier):
    """Issues of one repository.

    Args:
        name: of the channel, as declared.
        client: speaks with GitHub.
        repository: `owner/name`.
        labels: of the issues that are made.
        clock: the time, for waits that GitHub asks for.
    """

    def __init__(self, name: str, client: GitHubClient, repository: str, labels: tuple[str, ...], clock: Clock) -> None:
        self._name, self._client, self._repository, self._labels = name, client, repository, labels
        self._clock = clock

    def send(self, notification: Notification, remote_id: str | None, *, maybe_sent: bool) -> str:
        try:
            with self._client.within(_SEND_SECONDS):
                return str(self._shown(notification, remote_id))
        except TryLater as later:
            wait = (later.until - self._clock.now()).total_seconds()
            raise NotDelivered(f"Channel {self._name}: {later.what}", later.fix, max(0.0, wait)) from later
        except (CredentialsNotTaken, NotFound) as error:
            raise NotDelivered(f"Channel {self._name}: {error.what}", error.fix) from error
        except Refused as error:
            raise Refused(f"Channel {self._name}: {error.what}", error.fix) from error
        except PipelineError as error:
            raise NotDelivered(f"Channel {self._name}: {error.what}", error.fix) from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            what = f"Channel {self._name}: GitHub's answer is not as it should be: {type(error).__name__}."
            raise NotDelivered(what, "It is tried again by itself.") from error

    def _shown(self, notification: Notification, remote_id: str | None) -> int:
        number = int(remote_id) if remote_id is not None and remote_id.isdecimal() else self._find(notification)
        if number is not None:
            try:
                return self._edit(notification, number)
            except NotFound:
                number = self._find(notification)  # Somebody deleted it.
        return self._make(notification) if number is None else self._edit(notification, number)

    def _make(self, notification: Notification) -> int:
        owner, name = self._repository.split("/")
        title, body, labels = line(notification.subject, TITLE_CHARACTERS), _body(notification), list[Any](self._labels)
        made = self._client.ask(
            self._repository,
            lambda github: github.rest.issues.create(owner, name, title=title, body=body, labels=labels),
        )
        number = int(made["number"])
        return self._edit(notification, number) if notification.urgency is Urgency.OVER else number

    def _edit(self, notification: Notification, number: int) -> int:
        owner, name = self._repository.split("/")
        title, body = line(notification.subject, TITLE_CHARACTERS), _body(notification)
        state = "closed" if notification.urgency is Urgency.OVER else "open"
        self._client.ask(
            self._repository,
            lambda github: github.rest.issues.update(owner, name, number, title=title, body=body, state=state),
        )
        return number

    def _find(self, notification: Notification) -> int | None:
        path, mark = f"/repos/{self._repository}/issues", _mark(notification)
        newest: dict[str, str | int] = {"state": "all", "sort": "created", "direction": "desc", "per_page": _PAGE}
        for page in range(1, _PAGES + 1):
            found = cast("list[Any]", self._client.get(self._repository, path, {**newest, "page": page}))
            for issue in found:
                if str(issue.get("body") or "").startswith(mark) and self._client.wrote(issue):
                    return int(issue["number"])
            if len(found) < _PAGE:
                break
        return None


def _mark(notification: Notification) -> str:
    return f"<!-- shopkart-incident: {_UNSAFE.sub('-', notification.incident_id)} -->"


def _body(notification: Notification) -> str:
    fence = "`" * (max((len(each) for each in _FENCES.findall(notification.body)), default=2) + 1)
    link = f"\n\n<{notification.url}>" if _ADDRESS.fullmatch(notification.url or "") else ""
    text = block(notification.body, COMMENT_BYTES - 2000)
    return f"{_mark(notification)}\n{fence}text\n{text}\n{fence}{link}\n"
