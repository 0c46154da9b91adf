"""Where the evidence store keeps contents: under their digest, whole or not at all, never changed."""

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path

from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.domain.errors import NotFound, PipelineError


class ReportBlobs(ABC):
    """Contents by the hexadecimal digits of their SHA-256."""

    @abstractmethod
    def put(self, content: bytes) -> str:
        """Keep a content, and return its digits once it is kept; `ToolUnavailable` where it can't be."""

    @abstractmethod
    def get(self, digits: str) -> bytes:
        """A content, verified against its digits.

        Raises:
            NotFound: there is none.
            PipelineError: its bytes differ.
            ToolUnavailable: the place does not answer.
        """


class FolderReports(ReportBlobs):
    """Files below a folder, in a folder per first two digits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, content: bytes) -> str:
        digits = hashlib.sha256(content).hexdigest()
        path = self._path(digits)
        if not path.exists() or path.read_bytes() != content:
            write_atomically(path, content)
        return digits

    def get(self, digits: str) -> bytes:
        path = self._path(digits)
        if not path.is_file():
            raise NotFound(f"There is no report sha256:{digits}.", "Compare the digest with the one in the evidence.")
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != digits:
            what = f"The report sha256:{digits} was changed on disk."
            raise PipelineError(what, "Restore the evidence store from backup.")
        return content

    def _path(self, digits: str) -> Path:
        return self._folder / digits[:2] / digits


class EarlierReports(ReportBlobs):
    """A place for contents, where those that were kept before are still in another one."""

    def __init__(self, now: ReportBlobs, before: ReportBlobs) -> None:
        self._now = now
        self._before = before

    def put(self, content: bytes) -> str:
        return self._now.put(content)

    def get(self, digits: str) -> bytes:
        try:
            return self._now.get(digits)
        except PipelineError:
            return self._before.get(digits)


def check_digits(digest: str) -> str:
    """The digits of a digest, with or without its algorithm; raises `NotFound` for what is none."""
    digits = digest.removeprefix("sha256:")
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise NotFound(f"{digits!r} is not a SHA-256 digest.", "Give 64 hexadecimal digits after `sha256:`.")
    return digits
