"""What a search for secrets looks at: the service's files at the release, and every file of the commits before it.

A secret that a later commit took away again is still in the history, so the tree alone is not enough. The commits are
those since the branch's last push; where that is not known any more (a force-push), or on a branch's first push, all of
them. Files that look binary or are bigger than one MiB are left out and counted.
"""

import hashlib
import hmac
import itertools
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from shopkart_pipeline.adapters._service_paths import files_of
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline.ports.scm import ChangedFile, SourceControl

MAXIMUM_BYTES = 1024 * 1024
_LOOKED_AT_BYTES = 8000
_KEY_BYTES = 32


@dataclass(frozen=True)
class Place:
    """A file that a secret may stand in."""

    path: str
    content: bytes
    commit: str | None
    """The commit of the release that left it so; None where none of them touched it."""
    in_tree: bool
    """Whether it still stands so at the release."""

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """Its lines, without their outer white space."""
        return tuple(line.strip() for line in self.content.decode("utf-8", "replace").split("\n"))


class SecretScope:
    """Goes through all places once; afterwards it knows what was left out."""

    def __init__(self, scm: SourceControl, request: ScanRequest) -> None:
        """
        Args:
            scm: gives the files of the commits.
            request: whose tree and commits.
        """
        self._scm = scm
        self._request = request
        self.files = 0
        self.commits = 0
        self.skipped: list[str] = []
        self.notes: list[str] = []

    def places(self) -> Iterator[Place]:
        """Every file and every content of it once, in the order of the commits, what they did not touch last.

        Raises:
            PipelineError: the commits can't be read.
            OSError: the tree can't be read.
        """
        tree = self._request.tree
        names = self._names()
        standing = {_key(name, (tree / name).read_bytes()) for name in names}
        seen: set[tuple[str, bytes]] = set()
        places = itertools.chain(
            (Place(file.path, file.content, file.commit, in_tree=False) for file in self._history()),
            (Place(name, (tree / name).read_bytes(), None, in_tree=True) for name in names),
        )
        for place in places:
            key = _key(place.path, place.content)
            if key in seen:
                continue
            seen.add(key)
            if len(place.content) > MAXIMUM_BYTES or b"\0" in place.content[:_LOOKED_AT_BYTES]:
                self.skipped.append(place.path)
                continue
            self.files += 1
            yield replace(place, in_tree=key in standing)

    @property
    def measures(self) -> dict[str, float]:
        return {
            "commits_scanned": float(self.commits),
            "files_scanned": float(self.files),
            "files_skipped": float(len(self.skipped)),
        }

    @property
    def all_notes(self) -> tuple[str, ...]:
        if not self.skipped:
            return tuple(self.notes)
        names = ", ".join(self.skipped[:5]) + (" and others" if len(self.skipped) > 5 else "")
        return (*self.notes, f"{len(self.skipped)} binary or very large files were not looked at: {names}.")

    def _names(self) -> list[str]:
        tree, source = self._request.tree, self._request.service.source
        names = set(files_of(source, tree, lambda _: True))
        names |= {entry.name for entry in tree.iterdir() if entry.is_file() and not entry.is_symlink()}
        return sorted(names)

    def _history(self) -> Iterator[ChangedFile]:
        source, release = self._request.service.source, self._request.release
        base = release.previous_sha
        try:
            self.commits = len(self._scm.commits(source, base, release.sha))
        except NotFound:
            base = None
            self.commits = len(self._scm.commits(source, base, release.sha))
            self.notes.append("The last push is not known any more: the whole history was looked at.")
        return self._scm.files_of_commits(source, base, release.sha)


def _key(path: str, content: bytes) -> tuple[str, bytes]:
    return path, hashlib.sha256(content).digest()


class SecretNames:
    """Names secrets without telling anything about them: two places hold the same secret if the names are equal.

    The name is keyed with a random key of this installation. A plain hash of a weak password could be found by trying
    likely ones.
    """

    def __init__(self, key: Path | bytes) -> None:
        """
        Args:
            key: 32 bytes, or a file that holds them; made with fresh ones where there is none.
        """
        self._given = key

    def name(self, secret: str) -> str:
        """The name of a secret.

        Raises:
            OSError: the key can't be read or made.
        """
        return hmac.new(self._key(), secret.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()

    def _key(self) -> bytes:
        if isinstance(self._given, bytes):
            return self._given
        if not self._given.exists():
            self._make_key(self._given)
        key = self._given.read_bytes()
        if len(key) != _KEY_BYTES:
            raise OSError(0, "damaged key", str(self._given))
        return key

    def _make_key(self, file: Path) -> None:
        """Complete or not at all; of two processes that make one, the first wins."""
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(_KEY_BYTES))
        try:
            os.link(fresh, file)
        except FileExistsError:
            pass
        finally:
            os.unlink(fresh)
