"""Asks a service one question, as a stranger would."""

from shopkart_pipeline.adapters._http import Ask, HttpClient
from shopkart_pipeline.domain.errors import ToolUnavailable

_TIMEOUT_SECONDS = 10.0


def probe(address: str, path: str) -> str | None:
    """Why a service does not answer a path with 200 and something in it; None where it does."""
    client = HttpClient("the service", address, timeout_seconds=_TIMEOUT_SECONDS)
    try:
        answer = client.ask(Ask("GET", path))
        return None if answer.content.strip() else f"{path} is answered with nothing"
    except ToolUnavailable as error:
        return error.what.rstrip(".")
    finally:
        client.close()
