"""A server that is asked as the bearer of a token, and whose answers are whole or none: Prometheus and Loki."""

import os
from collections.abc import Sequence

from pydantic import ValidationError

from shopkart_pipeline.adapters._bearer import ServerAccess, authorization
from shopkart_pipeline.adapters._http import Answer, Ask, HttpClient
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.plain_text import plain

_WORDS = 300


class BearerClient:
    """One server.

    Args:
        name: what errors call it.
        address: its base address.
        access: who we are there.
    """

    def __init__(self, name: str, address: str, access: ServerAccess) -> None:
        self._name, self._address, self._access = name, address, access
        self._made: tuple[int, HttpClient] | None = None

    def close(self) -> None:
        """Close the connections."""
        if self._made is not None and self._made[0] == os.getpid():
            self._made[1].close()
        self._made = None

    def ask(self, ask: Ask) -> Answer:
        """The answer, or `ToolUnavailable`."""
        return self._client().ask(ask)

    def not_of_its_api(self, error: ValidationError) -> UntrustedInput:
        """What to raise about an answer that can't be read."""
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        return UntrustedInput(
            f"{self._of_it} answer is not one of its API: {where}: {plain(first['msg'])[:_WORDS]}.",
            "Check its address.",
        )

    def check_whole(self, warnings: Sequence[str]) -> None:
        """Raise `UntrustedInput` for an answer that came with warnings."""
        if warnings:
            raise UntrustedInput(
                f"{self._of_it} answer is not whole: {plain('; '.join(warnings))[:_WORDS]}.", "Look at its log."
            )

    @property
    def _of_it(self) -> str:
        return f"{self._name}'" if self._name.endswith("s") else f"{self._name}'s"

    def _client(self) -> HttpClient:
        """Made with the first question; a process that was forked speaks over connections of its own."""
        if self._made is None or self._made[0] != os.getpid():
            token = authorization(self._name, self._address, self._access)
            client = HttpClient(self._name, self._address, authorization=token, ca_file=self._access.ca_file)
            self._made = os.getpid(), client
        return self._made[1]
