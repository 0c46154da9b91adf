"""AWS's refusals in words that help, retries that end, and a client that is made late."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError, ProfileNotFound

from shopkart_pipeline.adapters._aws import LazyClient, aws_errors
from shopkart_pipeline.domain.errors import ToolUnavailable


def refusal(code: str, message: str = "as AWS says it") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateRepository")


@pytest.mark.parametrize(
    ("error", "what", "fix"),
    [
        (
            refusal("AccessDeniedException", "User: arn:x is not authorized to perform: ecr:CreateRepository"),
            "CreateRepository operation: User: arn:x is not authorized to perform: ecr:CreateRepository",
            "the call was CreateRepository",
        ),
        (refusal("ExpiredTokenException"), "as AWS says it", "AWS_PROFILE"),
        (refusal("ThrottlingException"), "as AWS says it", "AWS limits CreateRepository, and 6 tries"),
        (refusal("ServerException"), "as AWS says it", "Look up ServerException of CreateRepository"),
        (NoCredentialsError(), "AWS is not asked: Unable to locate credentials", "a role, a profile"),
        (ProfileNotFound(profile="shop"), "profile (shop)", "a role, a profile"),
        (ConnectTimeoutError(endpoint_url="https://ecr.example"), "https://ecr.example", "the way to AWS"),
    ],
)
def test_what_aws_refuses_is_unavailable_in_its_own_words_with_a_way_out(error: Exception, what: str, fix: str) -> None:
    with pytest.raises(ToolUnavailable) as failure, aws_errors():
        raise error

    assert what in failure.value.what
    assert fix in failure.value.fix


def test_the_string_that_a_wrong_signature_was_made_of_is_not_shown() -> None:
    message = (
        "The request signature we calculated does not match the signature you provided.\n\n"
        "The Canonical String for this request should have been\n'POST\n/\nx-amz-security-token:s3cret'"
    )
    with pytest.raises(ToolUnavailable) as failure, aws_errors():
        raise refusal("InvalidSignatureException", message)

    assert "does not match the signature" in failure.value.what
    assert "s3cret" not in str(failure.value)


class Api:
    """AWS's side of the wire: answers from a script, and counts."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.calls: list[str] = []
        self.address = ""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    for name, value in {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            api.calls.append(self.headers["X-Amz-Target"].rpartition(".")[2])
            status, document = api.answers.pop(0)
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    api.address = f"http://127.0.0.1:{server.server_port}"
    yield api
    server.shutdown()
    server.server_close()
    thread.join()


_SLOW_DOWN = (400, {"__type": "ThrottlingException", "message": "Rate exceeded"})


def test_a_throttled_call_is_tried_again(api: Api) -> None:
    api.answers = [_SLOW_DOWN, (200, {"repositories": []})]

    client = LazyClient("ecr", "eu-central-1", api.address, attempts=2)

    assert client().describe_repositories()["repositories"] == []
    assert api.calls == ["DescribeRepositories"] * 2


def test_tries_of_a_throttled_call_end(api: Api) -> None:
    api.answers = [_SLOW_DOWN] * 2

    with pytest.raises(ToolUnavailable, match=r"ThrottlingException.*Rate exceeded") as failure, aws_errors():
        LazyClient("ecr", "eu-central-1", api.address, attempts=2)().describe_repositories()

    assert "have the quota raised" in failure.value.fix
    assert len(api.calls) == 2


def test_a_denied_call_is_not_tried_again(api: Api) -> None:
    api.answers = [(400, {"__type": "AccessDeniedException", "message": "not authorized: ecr:DescribeRepositories"})]

    with pytest.raises(ToolUnavailable, match="not authorized: ecr:DescribeRepositories"), aws_errors():
        LazyClient("ecr", "eu-central-1", api.address)().describe_repositories()

    assert len(api.calls) == 1


def test_without_a_region_there_is_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")

    with pytest.raises(ToolUnavailable, match="no region is known") as failure:
        LazyClient("ecr", None)()

    assert "`region`" in failure.value.fix


def test_a_client_is_made_when_it_is_first_needed_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this-profile")
    client = LazyClient("ecr", "eu-central-1")

    with pytest.raises(ToolUnavailable, match="nobody-has-this-profile"):
        client()
    monkeypatch.delenv("AWS_PROFILE")

    assert client() is client()
