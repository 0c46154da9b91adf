"""The code host (GitHub) as the pipeline talks to it: notices out, and what webhooks did not tell in.

Three kinds of failure, because three different things follow: ask again later, ask for a rest of all, never ask again.
"""

from abc import ABC, abstractmethod
from datetime import datetime

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.notice import Notice


class TryLater(PipelineError):
    """The code host does not answer, or asks for a rest."""

    def __init__(self, what: str, until: datetime, *, everything: bool) -> None:
        super().__init__(what, "It is tried again by itself.")
        self.until = until
        self.everything = everything
        """Whether nothing at all should be asked before (a rate limit), or just not this."""


class CodeHost(ABC):
    """Writes to and reads from the code host. Raises `TryLater`, or `Refused` for what can never succeed."""

    @abstractmethod
    def send(self, notice: Notice, remote_id: str | None, *, maybe_sent: bool, sarif: bytes = b"") -> str:
        """Make the code host show this, and return what it calls the thing. Doing it again changes nothing.

        Args:
            notice: how something stands.
            remote_id: what the code host calls it, where that is known.
            maybe_sent: whether an earlier try may have made it; then it is looked for before it is made.
            sarif: the document of a `ScanNotice`.
        """
