"""Clients of AWS's API: made late, with time limits and retries, and errors that say what to do.

Credentials come from boto3's own chain (a role, a profile, the environment), never from us. botocore tries again by
itself where AWS asks it to slow down, at the pace that AWS lets through ("adaptive"); what is left after that is an
error. Errors carry AWS's words, which name the caller and the action that is not allowed, but not the string that a
wrong signature was made of: it holds the session's token.

Rules: AWS SDK reference guide, "Retry behavior"; botocore, `botocore.config.Config`.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from shopkart_pipeline.domain.errors import ToolUnavailable

ATTEMPTS = 6
"""Of one call, the first included."""
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 30.0
_SIGNED_STRING = "The Canonical String"
_LOGIN = "Give the pipeline a role, a profile (AWS_PROFILE) or credentials (AWS_ACCESS_KEY_ID) that count now."
_NO_LOGIN = (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, ProfileNotFound)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})
"""The last is what botocore makes of a refusal on the way, such as an endpoint's policy, that isn't in AWS's form."""
_STALE = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_SLOW_DOWN = frozenset(
    {"LimitExceededException", "RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"}
)


class LazyClient:
    """A client that is made when it is first asked for, because most processes of a pipeline never ask.

    Args:
        service: AWS's name of the API, such as `ecr`.
        region: the AWS region.
        endpoint: address of the API where it isn't AWS's own.
        attempts: how often a call is tried.
    """

    def __init__(self, service: str, region: str | None, endpoint: str | None = None, attempts: int = ATTEMPTS) -> None:
        self._made: Any = None
        self._make = lambda: _client(service, region, endpoint, attempts)
        self._lock = threading.Lock()

    def __call__(self) -> Any:
        """The client; raises `ToolUnavailable` where there can't be one."""
        with self._lock, aws_errors():
            if self._made is None:
                self._made = self._make()
            return self._made


def _client(service: str, region: str | None, endpoint: str | None, attempts: int) -> Any:
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "adaptive", "total_max_attempts": attempts},
        user_agent_extra="shopkart-pipeline",
    )
    # A session of its own: boto3's default one is not safe to use from several threads.
    make = cast(Callable[..., Any], Session(region_name=region).client)
    return make(service, endpoint_url=endpoint, config=config)


@contextmanager
def aws_errors(policy: str = "docs/registry.md") -> Generator[None]:
    """Raises what AWS or botocore raise as `ToolUnavailable`, with the way out; `policy` tells the rights for it."""
    try:
        yield
    except ClientError as error:
        what = str(error).partition(_SIGNED_STRING)[0].strip()
        raise ToolUnavailable(f"AWS does not do what was asked: {what}", _client_fix(error, policy)) from error
    except _NO_LOGIN as error:
        raise ToolUnavailable(f"AWS is not asked: {error}.", _LOGIN) from error
    except NoRegionError as error:
        raise ToolUnavailable(
            "AWS is not asked: no region is known.", "Write `region` under `registry` in the declaration."
        ) from error
    except BotoCoreError as error:
        raise ToolUnavailable(f"AWS can't be asked: {error}.", "Check the region and the way to AWS.") from error


def error_code(error: ClientError) -> str:
    """AWS's name of an error, such as `RepositoryNotFoundException`."""
    response = cast("dict[str, dict[str, str]]", error.response)
    return response.get("Error", {}).get("Code", "")


def _client_fix(error: ClientError, policy: str) -> str:
    code, action = error_code(error), cast(str, error.operation_name)
    if code in _DENIED:
        return f"Allow the action that it names (the call was {action}); {policy} has the whole policy."
    if code in _STALE:
        return _LOGIN
    if code in _SLOW_DOWN:
        return f"AWS limits {action}, and {ATTEMPTS} tries were not enough. Wait, or have the quota raised."
    return f"Look up {code or 'the error'} of {action} in AWS's documentation."
