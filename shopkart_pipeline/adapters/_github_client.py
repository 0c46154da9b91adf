"""The client of GitHub's REST API that everything of ours goes through.

Writing uses `githubkit`'s typed methods (`ask`), so that a wrong parameter is found when types are checked; answers are
read as plain documents, because an Enterprise Server that lags behind must not fail for a field that nobody needs.
Reading uses paths (`get`, `each`), is conditional by ETag, and follows `Link` up to a bound and on one host.
Nothing is tried again here but a request whose credentials GitHub did not take, once, with new ones: such a request
did nothing. Every failure is one of `TryLater`, `NotFound` and `Refused` (see `_github_failures`).
"""

import json
import math
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode, urlsplit

from shopkart_pipeline.adapters._github_answers import AnswerStore, KeptAnswer
from shopkart_pipeline.adapters._github_failures import PAUSE, CredentialsNotTaken, Problem, failed, shown, unanswered
from shopkart_pipeline.adapters._github_identity import GitHubCredentials, Identities
from shopkart_pipeline.domain.errors import Refused, UntrustedInput
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.code_host import TryLater

if TYPE_CHECKING:
    from githubkit import Response

    from shopkart_pipeline.adapters._github_session import Session

    Act = Callable[[Session], Response[Any, Any]]

Params = Mapping[str, str | int]
_PAGES = 30
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,]*\brel="next"')


class GitHubClient:
    """Speaks with one GitHub as one identity.

    Args:
        credentials: who the pipeline is there.
        clock: the time, for tokens that end and limits that do.
        answers: keeps answers with their ETags; None: everything is transferred each time.
        timeout_seconds: how long GitHub may be silent; it ends what takes longer than ten seconds by itself.
    """

    def __init__(
        self,
        credentials: GitHubCredentials,
        clock: Clock,
        answers: AnswerStore | None = None,
        *,
        timeout_seconds: float = 15.0,
    ) -> None:
        self._credentials = credentials
        self._clock = clock
        self._answers = answers
        self._api = credentials.api.rstrip("/")
        self._identities = Identities(credentials, clock, timeout_seconds)
        self._itself: Mapping[str, Any] | None = None
        self._ends = threading.local()

    @property
    def api(self) -> str:
        """Base address, without a slash at its end."""
        return self._api

    @property
    def is_app(self) -> bool:
        """Whether an App's credentials are used; only those may make check runs."""
        return self._credentials.is_app

    @contextmanager
    def within(self, seconds: float) -> Generator[None]:
        """Begin no request of this thread after that time; it is `TryLater` then."""
        self._ends.at_seconds = time.monotonic() + seconds
        try:
            yield
        finally:
            del self._ends.at_seconds

    def later(self, what: str, pause: timedelta = PAUSE, *, everything: bool = False) -> TryLater:
        """The error for what may go well after a pause."""
        return TryLater(what, self._clock.now() + pause, everything=everything)

    def itself(self) -> Mapping[str, Any]:
        """The App (`id`, `slug`), or the token's user (`id`, `login`); asked for once."""
        known = self._itself
        if known is None:
            known = self._itself = cast("Mapping[str, Any]", self.get(None, "/app" if self.is_app else "/user"))
        return known

    def wrote(self, thing: Any) -> bool:
        """Whether a comment or issue is ours; anybody could have put our marks into one of theirs."""
        us, writer = self.itself(), cast("dict[str, Any]", thing.get("user") or {})
        if self.is_app:
            return writer.get("login") == f"{us['slug']}[bot]"  # No person's login can have brackets.
        return writer.get("id") == us["id"]

    def token_for(self, repository: str) -> str:
        """The token that acts in a repository now; for git, which speaks for itself."""
        return self._identities.session(repository, self._ask_as_app)[1]

    def ask(self, repository: str | None, act: "Act") -> Any:
        """Do something by a typed method, and give the document that GitHub answers; None where it has none.

        Args:
            repository: whose installation acts, as `owner/name`; None: the App itself.
            act: calls one method, such as `lambda github: github.rest.checks.create(...)`.
        """
        return self._document(self._answer(repository, act))

    def get(self, repository: str | None, path: str, params: Params | None = None) -> Any:
        """The document behind a path such as `/repos/shopkart/storefront/pulls/7`."""
        return self._read(repository, self._url(path, params))[0]

    def each(
        self,
        repository: str | None,
        path: str,
        params: Params | None = None,
        *,
        key: str | None = None,
        maximum_pages: int = _PAGES,
    ) -> Iterator[Any]:
        """The items of a list, page for page as they are asked for: stop early, and the rest is never transferred.

        Args:
            repository: whose installation asks; None: the App itself.
            path: of the list.
            params: of the query; pages have 100 items unless `per_page` says otherwise.
            key: the field that holds the items where the document is no list, such as `check_runs`.
            maximum_pages: more are refused, because a list that is cut short would read as a whole one.
        """
        url: str | None = self._url(path, {"per_page": 100, **(params or {})})
        for _ in range(maximum_pages):
            document, link = self._read(repository, url)
            yield from self._items(document, key, path)
            url = self._next(link)
            if url is None:
                return
        raise Refused(f"GitHub has more than {maximum_pages} pages of {path}.", "Ask for less, such as a shorter time.")

    def get_all(
        self,
        repository: str | None,
        path: str,
        params: Params | None = None,
        *,
        key: str | None = None,
        maximum_pages: int = _PAGES,
    ) -> list[Any]:
        """All items of a list; see `each`."""
        return list(self.each(repository, path, params, key=key, maximum_pages=maximum_pages))

    def _read(self, repository: str | None, url: str) -> tuple[Any, str]:
        """The document at an address, and the `Link` to others."""
        who = f"{self._credentials.app_id}/{(repository or '').partition('/')[0].casefold()}"
        known = None if self._answers is None else self._answers.find(who, url)
        headers = None if known is None else {"If-None-Match": known.etag}
        response = self._answer(repository, lambda github: github.plainly("GET", url, headers))
        if response.status_code == 304 and known is not None:
            return json.loads(known.body), known.link
        document, link = self._document(response), response.headers.get("link", "")
        if self._answers is not None:
            answer = KeptAnswer(response.headers.get("etag", ""), link, response.content)
            self._answers.keep(who, url, answer, self._clock.now())
        return document, link

    def _answer(self, repository: str | None, act: "Act") -> "Response[Any, Any]":
        try:
            return self._once(repository, act)
        except CredentialsNotTaken:
            self._identities.forget(repository)
            if not self.is_app:
                raise
        return self._once(repository, act)

    def _once(self, repository: str | None, act: "Act") -> "Response[Any, Any]":
        session, token = self._identities.session(repository, self._ask_as_app)
        return self._call(session, token, act)

    def _ask_as_app(self, session: "Session", method: str, path: str) -> Any:
        return self._document(self._call(session, "", lambda github: github.plainly(method, path)))

    def _call(self, session: "Session", token: str, act: "Act") -> "Response[Any, Any]":
        from githubkit.exception import RequestError, RequestFailed

        if time.monotonic() > getattr(self._ends, "at_seconds", math.inf):
            raise self.later("GitHub is slow: it took too long in all.")
        try:
            response = act(session)
        except RequestFailed as failure:
            response = failure.response
        except RequestError as failure:  # pyright: ignore[reportUnknownVariableType]
            raise unanswered(cast("Exception", failure.exc), self._clock.now(), token) from None
        except ValueError as error:
            what = f"This can't be said to GitHub: {type(error).__name__}."
            raise Refused(what, "Report it with the notice that it is about.") from error
        if response.status_code >= 300 and response.status_code != 304:
            raise failed(_problem(response), self._clock.now(), token)
        return response

    def _document(self, response: "Response[Any, Any]") -> Any:
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            asked = shown(response.raw_request.method, str(response.url))
            raise self.later(f"The answer to {asked} is no JSON.") from None

    def _items(self, document: Any, key: str | None, path: str) -> list[Any]:
        items = cast("dict[str, Any]", document).get(key) if key and isinstance(document, dict) else document
        if not isinstance(items, list):
            raise self.later(f"The answer to GET {path} is no list.")
        return cast("list[Any]", items)

    def _url(self, path: str, params: Params | None) -> str:
        return f"{self._api}{path}" + (f"?{urlencode(params)}" if params else "")

    def _next(self, link: str) -> str | None:
        found = _NEXT.search(link)
        if found is None:
            return None
        here, there = urlsplit(self._api), urlsplit(found[1])
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise UntrustedInput("GitHub names another server to go on with.", "Check the address of its API.")
        return found[1]


def _problem(response: "Response[Any, Any]") -> Problem:
    try:
        body = response.json()
    except ValueError:
        body = None
    asked = shown(response.raw_request.method, str(response.url))
    return Problem(asked, response.status_code, dict(response.headers.items()), body)
