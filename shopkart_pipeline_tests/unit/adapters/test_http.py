"""The HTTP client: deadlines, limits, what is tried again, where credentials go and where they never appear."""

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from shopkart_pipeline.adapters._http import Ask, HttpClient, HttpRefusal
from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput

_Handler = Callable[[httpx.Request], httpx.Response]
_PASSWORD = "correct-horse-battery"


class World:
    """A server that answers from a script, and a clock whose pauses take no time."""

    def __init__(self, *answers: httpx.Response | Exception, address: str = "https://registry.example") -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []
        self.pauses: list[float] = []
        self.client = HttpClient(
            "The registry",
            address,
            authorization=lambda: f"Basic {b64encode(f'AWS:{_PASSWORD}'.encode()).decode()}",
            transport=httpx.MockTransport(self._answer),
            pause=self.pauses.append,
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.bodies.append(request.read())
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        # An answer made of bytes counts as read already; a network's answer does not.
        unread = answer.is_stream_consumed
        return httpx.Response(answer.status_code, headers=answer.headers, content=_once(answer)) if unread else answer


def _once(answer: httpx.Response) -> Iterator[bytes]:
    yield answer.content


def test_an_accepted_answer_is_returned_whole() -> None:
    world = World(httpx.Response(200, content=b"hello", headers={"X-Name": "value"}))

    answer = world.client.ask(Ask("GET", "/v2/"))

    assert (answer.status, answer.content, answer.headers["x-name"]) == (200, b"hello", "value")


@pytest.mark.parametrize("first", [httpx.Response(503), httpx.Response(429), httpx.ReadError("reset")], ids=repr)
def test_an_idempotent_request_is_tried_again_after_a_pause(first: httpx.Response | Exception) -> None:
    world = World(first, httpx.Response(200, content=b"now"))

    assert world.client.ask(Ask("GET", "/v2/")).content == b"now"
    assert world.pauses == [0.2]


@pytest.mark.parametrize("ask", [Ask("POST", "/uploads"), Ask("PUT", "/upload", once=True)])
def test_what_may_not_happen_twice_is_not_tried_again(ask: Ask) -> None:
    world = World(httpx.ReadError("reset"))

    with pytest.raises(ToolUnavailable, match="does not answer"):
        world.client.ask(ask)

    assert world.pauses == []


def test_a_connection_that_was_never_made_is_tried_again_for_any_method() -> None:
    world = World(httpx.ConnectError("refused"), httpx.Response(200))

    world.client.ask(Ask("POST", "/uploads"))

    assert len(world.requests) == 2


def test_tries_end() -> None:
    world = World(*[httpx.Response(503, text="overloaded")] * 4)

    with pytest.raises(
        ToolUnavailable, match=r"The registry answered 503 to GET https://registry.example/v2/: overloaded"
    ):
        world.client.ask(Ask("GET", "/v2/"))

    assert world.pauses == [0.2, 0.4, 0.8]


def test_the_server_says_how_long_to_wait_within_bounds() -> None:
    world = World(
        httpx.Response(429, headers={"Retry-After": "3"}),
        httpx.Response(429, headers={"Retry-After": "86400"}),
        httpx.Response(200),
    )

    world.client.ask(Ask("GET", "/v2/"))

    assert world.pauses == [3.0, 10.0]


def test_no_pause_goes_beyond_the_deadline() -> None:
    world = World(httpx.Response(429, headers={"Retry-After": "9"}))

    with pytest.raises(ToolUnavailable):
        world.client.ask(Ask("GET", "/v2/", timeout_seconds=5.0))

    assert world.pauses == []


def test_a_broken_try_leaves_nothing_in_the_file() -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise httpx.ReadError("reset")

    world = World(httpx.Response(200, content=broken()), httpx.Response(200, content=b"whole"))
    target = BytesIO(b"before ")
    target.seek(7)

    world.client.download(Ask("GET", "/blob"), target)

    assert target.getvalue() == b"before whole"


def test_a_file_is_sent_whole_on_every_try(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"x" * 100_000)
    world = World(httpx.Response(503), httpx.Response(201))

    world.client.ask(Ask("PUT", "/blob", accept=(201,), body=tmp_path / "blob"))

    assert [len(body) for body in world.bodies] == [100_000, 100_000]
    assert world.requests[1].headers["Content-Length"] == "100000"


def test_an_answer_over_its_limit_is_refused() -> None:
    world = World(httpx.Response(200, content=b"x" * 11))

    with pytest.raises(UntrustedInput, match="more than 10 bytes"):
        world.client.ask(Ask("GET", "/v2/", limit_bytes=10))


def test_params_join_those_of_a_location() -> None:
    world = World(httpx.Response(201))

    world.client.ask(Ask("PUT", "/upload?_state=a", accept=(201,), params={"digest": "sha256:b"}))

    assert dict(world.requests[0].url.params) == {"_state": "a", "digest": "sha256:b"}


def test_errors_hold_no_credentials_and_no_query() -> None:
    echo = f"denied: Basic {b64encode(f'AWS:{_PASSWORD}'.encode()).decode()} aka {_PASSWORD} at https://u:p@x.example/a?Sig=s3"
    world = World(httpx.Response(403, text=echo))

    with pytest.raises(ToolUnavailable) as failure:
        world.client.ask(Ask("GET", "/v2/a?token=s3cret", params={"key": "s3cret"}))

    text = str(failure.value)
    assert "403 to GET https://registry.example/v2/a:" in text
    assert not any(secret in text for secret in (_PASSWORD, "s3", "u:p", b64encode(_PASSWORD.encode()).decode()[:12]))


class Renewing(World):
    """A client whose credentials can be renewed."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        super().__init__(*answers)
        self.tokens, self.refused = ["Bearer old", "Bearer new", "Bearer newer"], list[str]()
        self.client = HttpClient(
            "The registry",
            "https://registry.example",
            authorization=lambda: self.tokens[len(self.refused)],
            renew=self.refused.append,
            transport=httpx.MockTransport(self._answer),
            pause=self.pauses.append,
        )


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("ask", [Ask("GET", "/v2/"), Ask("POST", "/v2/"), Ask("PUT", "/v2/", body=b"x", once=True)])
def test_credentials_that_are_not_taken_are_renewed_whatever_was_asked(status: int, ask: Ask) -> None:
    world = Renewing(httpx.Response(status), httpx.Response(200))

    assert world.client.ask(ask).status == 200
    assert world.refused == ["Bearer old"]
    assert [request.headers["Authorization"] for request in world.requests] == ["Bearer old", "Bearer new"]
    assert world.bodies[0] == world.bodies[1]
    assert world.pauses == []


def test_credentials_are_renewed_once_per_request() -> None:
    world = Renewing(httpx.Response(401), httpx.Response(401, text="who?"))

    with pytest.raises(HttpRefusal, match="answered 401") as failure:
        world.client.ask(Ask("GET", "/v2/"))

    assert failure.value.status == 401
    assert world.refused == ["Bearer old"]


def test_credentials_do_not_follow_a_redirect_to_another_host() -> None:
    away = httpx.Response(307, headers={"Location": "https://storage.example/blob?Signature=x"})
    world = World(away, httpx.Response(200, content=b"blob"))

    assert world.client.ask(Ask("GET", "/blob")).content == b"blob"
    assert ["Authorization" in request.headers for request in world.requests] == [True, False]


def test_a_redirect_to_plain_http_is_refused() -> None:
    world = World(httpx.Response(307, headers={"Location": "http://storage.example/blob"}))

    with pytest.raises(UntrustedInput, match="without encryption"):
        world.client.ask(Ask("GET", "/blob"))


@pytest.mark.parametrize(
    "place", ["https://elsewhere.example/x", "http://registry.example/x", "https://registry.example:8443/x"]
)
def test_a_whole_address_on_another_server_is_refused(place: str) -> None:
    world = World()

    with pytest.raises(UntrustedInput, match="another server"):
        world.client.ask(Ask("PUT", place, body=b"data"))

    assert world.requests == []


@pytest.fixture
def dripping_server() -> Iterator[str]:
    """A server that sends one byte each 50 ms and never ends."""

    class Drip(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b".")
                    time.sleep(0.05)
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Drip)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_server_that_never_ends_is_left_at_the_deadline(dripping_server: str) -> None:
    client = HttpClient("The registry", dripping_server)
    started = time.monotonic()

    with pytest.raises(ToolUnavailable, match="ran out of time"):
        client.ask(Ask("GET", "/", timeout_seconds=0.4))

    client.close()
    assert time.monotonic() - started < 2


def test_nobody_there_is_said_in_one_line(tmp_path: Path) -> None:
    client = HttpClient("The registry", "http://127.0.0.1:1", pause=lambda _: None)

    with pytest.raises(ToolUnavailable, match=r"The registry does not answer GET http://127.0.0.1:1/v2/: .*refused"):
        client.ask(Ask("GET", "/v2/"))

    client.close()
