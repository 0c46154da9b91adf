"""Signed heads of the ledger in a folder elsewhere: on another machine's disk, or where files can be made and not
changed.

A file is named by the entry's number and hash (`_anchored_names`), and holds the head's envelope. It is there whole or
not at all, and one that is there stays as it is.
"""

import os
from pathlib import Path

from shopkart_pipeline.adapters._anchored_names import LONGEST_BYTES, anchored_name, marks_in
from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.hash_chain import SignedHead
from shopkart_pipeline.ports.ledger_anchor import LedgerAnchor, Mark


class DiskAnchor(LedgerAnchor):
    """A folder, which is made when it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.place = str(folder)

    def put(self, head: SignedHead) -> None:
        path = self._folder / anchored_name(Mark(head.sequence, head.entry_hash))
        try:
            if not path.exists():
                write_atomically(path, head.envelope, 0o444)
        except OSError as error:
            raise self._unavailable(error) from error

    def marks(self) -> tuple[Mark, ...]:
        try:
            return marks_in(os.listdir(self._folder))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unavailable(error) from error

    def read(self, mark: Mark) -> SignedHead:
        try:
            with (self._folder / anchored_name(mark)).open("rb") as file:
                return SignedHead(mark.sequence, mark.entry_hash, file.read(LONGEST_BYTES))
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> ToolUnavailable:
        return ToolUnavailable(
            f"The ledger's anchor {self._folder} can't be used: {error.strerror}.",
            "See whether it is there, and who may write to it (SHOPKART_LEDGER_ANCHOR).",
        )
