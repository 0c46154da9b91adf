"""What follows from an answer of GitHub that is none: ask later, there is nothing, or never ask again.

1. No answer, or 5xx: later, this request alone.
2. A limit: nothing at all before the moment that GitHub names. The primary limit says `x-ratelimit-remaining: 0` and
   when it begins anew; a secondary one says `Retry-After`, or nothing, which means a minute.
3. 404 and 410: not there, or not to be seen.
4. Anything else is refused, with GitHub's own words as plain text, and the permission that it says is missing.

Nothing here shows a header or body of a request, so no credentials can get into a message; what GitHub echoes is cut.
Source: "Rate limits for the REST API", "Troubleshooting the REST API", and "Permissions required for GitHub Apps"
(`X-Accepted-GitHub-Permissions`) in GitHub's documentation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from shopkart_pipeline.domain.errors import NotFound, PipelineError, Refused
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.ports.code_host import TryLater

PAUSE = timedelta(seconds=15)
"""After an outage; who asks knows how often it was tried and may wait longer."""
_LOCAL_PAUSE = timedelta(seconds=60)
_SECONDARY_PAUSE = timedelta(seconds=60)
_LONGEST_PAUSE = timedelta(hours=2)
"""A primary limit begins anew each hour; whoever names a moment far away is not believed."""
_PASSING = frozenset({408, 425})
_WORDS_CHARACTERS = 300
_MESSAGES = 5


@dataclass(frozen=True)
class Problem:
    """An answer with an error status."""

    asked: str
    """Such as `POST /repos/shopkart/storefront/check-runs`."""
    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: Any
    """The JSON document, or None where there is none."""


class CredentialsNotTaken(Refused):
    """GitHub does not know these credentials (any more)."""


def shown(method: str, url: str) -> str:
    """A request as errors name it, without its query."""
    return f"{method} {plain(urlsplit(url).path)}"


def unanswered(error: Exception, now: datetime, token: str) -> TryLater:
    """The error for a request without an answer."""
    import httpx  # Whoever got none has it loaded.

    if not isinstance(error, httpx.RequestError):  # The JWT could not be made; nothing was sent.
        what = f"The GitHub App can't introduce itself with its private key: {type(error).__name__}."
        return TryLater(what, now + _LOCAL_PAUSE, everything=True)
    asked = shown(error.request.method, str(error.request.url))
    reason = "it ran out of time" if isinstance(error, httpx.TimeoutException) else _plain(str(error), token)
    what = f"GitHub does not answer {asked}: {reason or type(error).__name__}."
    return TryLater(what, now + PAUSE, everything=False)


def failed(problem: Problem, now: datetime, token: str) -> PipelineError:
    """The error for an answer.

    Args:
        problem: what came.
        now: the time.
        token: must not be shown, should GitHub have repeated it.
    """
    words = _plain(_words(problem.body), token)
    said = f"GitHub answered {problem.status} to {problem.asked}" + (f": {words}" if words else "") + "."
    until = _limited_until(problem, words, now)
    if until is not None:
        return TryLater(said, until, everything=True)
    match problem.status:
        case status if status >= 500 or status in _PASSING:
            return TryLater(said, now + (_asked_pause(problem) or PAUSE), everything=False)
        case 404 | 410:
            return NotFound(said, "Check the name, and that the App is installed there or the token may see it.")
        case 401:
            return CredentialsNotTaken(said, "The App's key or the token is not valid (any more): give a new one.")
        case 403:
            return Refused(said, _missing_permission(problem))
        case 301 | 302 | 307 | 308:
            return Refused(said, "The repository was renamed or moved: name it so in the declaration.")
        case _:
            return Refused(said, "Look at GitHub's words.")


def _limited_until(problem: Problem, words: str, now: datetime) -> datetime | None:
    if problem.status not in (403, 429):
        return None
    asked = _asked_pause(problem)
    if asked is not None:
        return now + asked
    if problem.headers.get("x-ratelimit-remaining") == "0":
        begins = problem.headers.get("x-ratelimit-reset", "")
        if begins.isdecimal() and len(begins) <= 11:
            anew = datetime.fromtimestamp(int(begins), UTC) + timedelta(seconds=1)
            return min(max(anew, now + timedelta(seconds=1)), now + _LONGEST_PAUSE)
        return now + _SECONDARY_PAUSE
    folded = words.casefold()
    is_secondary = problem.status == 429 or "secondary rate limit" in folded or "abuse detection" in folded
    return now + _SECONDARY_PAUSE if is_secondary else None


def _asked_pause(problem: Problem) -> timedelta | None:
    asked = problem.headers.get("retry-after", "").strip()
    if not asked.isdecimal() or len(asked) > 9:
        return None
    return min(timedelta(seconds=max(1, int(asked))), _LONGEST_PAUSE)


def _missing_permission(problem: Problem) -> str:
    if names := problem.headers.get("x-accepted-github-permissions"):
        return f"Give the App this permission, and accept it in the installation: {plain(names)[:_WORDS_CHARACTERS]}."
    if scopes := problem.headers.get("x-accepted-oauth-scopes"):
        return f"Use a token with one of these scopes: {plain(scopes)[:_WORDS_CHARACTERS]}."
    return "The App or the token may not do this: compare its permissions with docs/github.md."


def _words(body: Any) -> str:
    """GitHub's message and what it says about single fields."""
    if not isinstance(body, dict):
        return ""
    document = cast("dict[str, Any]", body)
    parts = [str(document.get("message") or "")]
    errors = document.get("errors")
    if isinstance(errors, list):
        parts += [_one(each) for each in cast("list[Any]", errors)[:_MESSAGES]]
    elif errors:
        parts.append(str(errors))
    return "; ".join(filter(None, parts))


def _one(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    named = cast("dict[str, Any]", error)
    if named.get("message"):
        return str(named["message"])
    return " ".join(str(named[name]) for name in ("resource", "field", "code") if named.get(name))


def _plain(text: str, token: str) -> str:
    return plain(text.replace(token, "[redacted]") if token else text)[:_WORDS_CHARACTERS].strip().rstrip(".")
