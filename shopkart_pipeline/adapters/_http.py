"""The one place where the package speaks HTTP as a client.

Every request has a deadline for all of it, every answer a limit of bytes. Requests are tried again where that can't
do harm: idempotent methods (RFC 9110, 9.2.2), and any method whose connection was never made; each time after a
longer pause, a few times at most. Credentials are asked for anew for each try, travel in `Authorization` alone, go to
no other host than the one they are for, and appear in no error: errors name method, host and path, never a query.
Credentials that a server does not take may be given back once per request, to be renewed: such a request did nothing.
Proxies of the environment count only where the caller asks for them.
"""

import contextlib
import re
import ssl
import time
from base64 import b64decode
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

import httpx

from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput
from shopkart_pipeline.known_secrets import masked

ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses that may be gone with the next try; Debian's registry answers 500 while somebody else sends that blob."""
_REFUSED = frozenset({401, 403})
"""Statuses of a request whose credentials did not count; ECR answers 403 to a token that has expired."""
_TRIES = 4
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_EXCERPT_BYTES = 4096
_EXCERPT_CHARACTERS = 300
_QUERY = re.compile(r"(https?://[^\s?#'\"]+)[?#][^\s'\"]*")
_USER = re.compile(r"(https?://)[^\s/@]+@")


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    content: bytes


@dataclass(frozen=True)
class Ask:
    """One request."""

    method: str
    path: str
    """Below the server's address; or a whole address on the same server, as a `Location` gives it."""
    accept: Collection[int] = (200,)
    """Statuses that are an answer; any other raises."""
    headers: Mapping[str, str] | None = None
    params: Mapping[str, str] | None = None
    body: bytes | Path | None = None
    """Bytes, or a file that is sent in pieces."""
    timeout_seconds: float | None = None
    """For all of it, tries and pauses included; None: the client's."""
    limit_bytes: int = ANSWER_LIMIT_BYTES
    once: bool = False
    """Not to be tried again even where the method is idempotent."""


class HttpRefusal(ToolUnavailable):
    """A server answered with a status that isn't accepted."""

    def __init__(self, what: str, fix: str, status: int) -> None:
        super().__init__(what, fix)
        self.status = status


class HttpClient:
    """Speaks with one server.

    Args:
        name: what errors call the server, such as `the registry`.
        address: its base address, `http://` or `https://`.
        timeout_seconds: for a request as a whole, unless the request says otherwise.
        authorization: gives the value of the `Authorization` header; called for each try, so it may refresh a token.
        renew: told once per request which value of the `Authorization` header the server did not take; the request is
            then sent again.
        environment: use the proxies and certificates that the environment names.
        ca_file: certificates in PEM by which the server is known; None: those that every program trusts.
        transport: replaces the network in tests.
        pause: sleeps for some seconds; replaced in tests.
    """

    def __init__(
        self,
        name: str,
        address: str,
        *,
        timeout_seconds: float = 30.0,
        authorization: Callable[[], str] | None = None,
        renew: Callable[[str], None] | None = None,
        environment: bool = False,
        ca_file: Path | None = None,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name = name
        self._address = httpx.URL(address)
        self._timeout_seconds = timeout_seconds
        self._authorization = authorization
        self._renew = renew
        self._pause = pause
        self._client = httpx.Client(
            trust_env=environment,
            verify=True if ca_file is None else _trusting(name, ca_file),
            transport=transport,
            max_redirects=5,
            headers={"User-Agent": "shopkart-pipeline", "Accept-Encoding": "identity"},
            event_hooks={"request": [self._refuse_downgrade]},
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, ask: Ask) -> Answer:
        """Send a request and read the answer into memory.

        Raises:
            ToolUnavailable: no answer in time, or one with a status that isn't accepted (`HttpRefusal`).
            UntrustedInput: the answer is larger than its limit, or the server sends us elsewhere.
        """
        target = BytesIO()
        answer = self.download(ask, target)
        return Answer(answer.status, answer.headers, target.getvalue())

    def download(self, ask: Ask, target: IO[bytes]) -> Answer:
        """Send a request and write the content of an accepted answer to `target`; raises as `ask` does.

        What a broken try has written is taken back before the next one.
        """
        start = target.tell()
        deadline = time.monotonic() + (self._timeout_seconds if ask.timeout_seconds is None else ask.timeout_seconds)
        repeatable = ask.method in _IDEMPOTENT and not ask.once
        pause_seconds = _FIRST_PAUSE_SECONDS
        renew = self._renew
        for left in reversed(range(_TRIES)):
            credentials = "" if self._authorization is None else self._authorization()
            try:
                answer = self._try(ask, target, credentials, deadline)
            except httpx.RequestError as error:
                again = repeatable or isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                failure = self._unanswered(ask, error, credentials)
                target.seek(start)
                target.truncate()
            else:
                if answer.status in ask.accept:
                    return answer
                if answer.status in _REFUSED and renew is not None and left:
                    renew(credentials)
                    renew = None
                    continue
                again = repeatable and answer.status in _PASSING
                failure = self._refused(ask, answer, credentials)
                pause_seconds = _asked_pause(answer, pause_seconds)
            if left == 0 or not again or time.monotonic() + pause_seconds > deadline:
                raise failure
            self._pause(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        raise AssertionError("the last try returns or raises")

    def _try(self, ask: Ask, target: IO[bytes], credentials: str, deadline: float) -> Answer:
        with contextlib.ExitStack() as stack:
            body = stack.enter_context(ask.body.open("rb")) if isinstance(ask.body, Path) else ask.body
            request = self._client.build_request(
                ask.method,
                self._url(ask.path).copy_merge_params(dict(ask.params or {})),
                headers=dict(ask.headers or {}),
                content=body,
                timeout=max(0.001, deadline - time.monotonic()),
            )
            if credentials:
                request.headers["Authorization"] = credentials
            follow = ask.method in ("GET", "HEAD")
            response = self._client.send(request, stream=True, follow_redirects=follow)
            stack.callback(response.close)
            excerpt = b""
            if response.status_code in ask.accept:
                self._read(ask, response, target, deadline)
            else:
                excerpt = next(response.iter_raw(_EXCERPT_BYTES), b"")
            return Answer(response.status_code, dict(response.headers.items()), excerpt)

    def _read(self, ask: Ask, response: httpx.Response, target: IO[bytes], deadline: float) -> None:
        size_bytes = 0
        for piece in response.iter_raw():
            size_bytes += len(piece)
            if size_bytes > ask.limit_bytes:
                what = f"{self._name} answered {self._shown(ask)} with more than {ask.limit_bytes} bytes."
                raise UntrustedInput(what, "Find out what it sent; nothing of it was used.")
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout("out of time")
            target.write(piece)

    def _url(self, path: str) -> httpx.URL:
        whole = "://" in path
        url = httpx.URL(path) if whole else httpx.URL(f"{str(self._address).rstrip('/')}{path}")
        if (url.scheme, url.netloc) != (self._address.scheme, self._address.netloc):
            what = f"{self._name} names another server, {url.host}, to go on with."
            raise UntrustedInput(what, "Check the server's own address in its configuration.")
        return url

    def _refuse_downgrade(self, request: httpx.Request) -> None:
        if self._address.scheme == "https" and request.url.scheme != "https":
            raise UntrustedInput(
                f"{self._name} redirects to {request.url.host} without encryption.", "Check the server."
            )

    def _shown(self, ask: Ask) -> str:
        path = httpx.URL(ask.path).path
        return f"{ask.method} {self._address.scheme}://{self._address.netloc.decode()}{path}"

    def _unanswered(self, ask: Ask, error: httpx.RequestError, credentials: str) -> ToolUnavailable:
        reason = str(error) or type(error).__name__
        if isinstance(error, httpx.TimeoutException):
            reason = "it ran out of time"
        what = f"{self._name} does not answer {self._shown(ask)}: {_redacted(reason, credentials)}."
        return ToolUnavailable(what, "Check that it runs and can be reached.")

    def _refused(self, ask: Ask, answer: Answer, credentials: str) -> HttpRefusal:
        words = " ".join(_redacted(answer.content.decode(errors="replace"), credentials).split())
        what = (
            f"{self._name} answered {answer.status} to {self._shown(ask)}: {words[:_EXCERPT_CHARACTERS] or 'nothing'}."
        )
        fix = "Check the credentials and what they may do." if answer.status in (401, 403) else "Look at its log."
        return HttpRefusal(what, fix, answer.status)


def _trusting(name: str, ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ToolUnavailable(
            f"{name} is not asked: its certificates can't be read from {ca_file.name} ({type(error).__name__}).",
            "Check that the file is there and holds certificates in PEM.",
        ) from None


def _redacted(text: str, credentials: str) -> str:
    """The text without queries, users in addresses, and credentials that the server may have echoed."""
    scheme, _, value = credentials.partition(" ")
    secrets = [credentials, value]
    if scheme == "Basic":
        secrets.append(b64decode(value).decode(errors="replace").partition(":")[2])
    for secret in filter(None, secrets):
        text = text.replace(secret, "[redacted]")
    return masked(_USER.sub(r"\1", _QUERY.sub(r"\1", text)))


def _asked_pause(answer: Answer, pause_seconds: float) -> float:
    """How long to wait: what `Retry-After` asks for in seconds, if it does, within bounds."""
    asked = answer.headers.get("retry-after", "")
    return min(max(float(asked), pause_seconds), _LONGEST_PAUSE_SECONDS) if asked.isdecimal() else pause_seconds
