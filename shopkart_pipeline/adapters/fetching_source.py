"""A source control that fetches what is read of it and is not here yet, for a process whose mirror is empty when it
starts: any stage may be the first one there.

Each commit is asked for once in a process; the remote is asked only for what the mirror does not have.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from shopkart_pipeline.domain.declaration import Source
from shopkart_pipeline.domain.release import Commit
from shopkart_pipeline.ports.scm import ChangedFile, SourceControl


class FetchingSource(SourceControl):
    """Another source control, with its commits made sure of before they are read. Every read may raise as `fetch`."""

    def __init__(self, mirrored: SourceControl) -> None:
        self._mirrored = mirrored
        self._here: set[tuple[str, str]] = set()

    def fetch(self, source: Source, sha: str, reference: str | None = None) -> None:
        self._mirrored.fetch(source, sha, reference)
        self._here.add((source.remote, sha))

    def head(self, source: Source) -> str:
        return self._mirrored.head(source)

    def commit(self, source: Source, sha: str) -> Commit:
        return self._having(source, sha).commit(source, sha)

    def commits(self, source: Source, base: str | None, sha: str) -> tuple[Commit, ...]:
        return self._having(source, base, sha).commits(source, base, sha)

    def first_parents(self, source: Source, base: str | None, sha: str) -> tuple[Commit, ...]:
        return self._having(source, base, sha).first_parents(source, base, sha)

    def merge_base(self, source: Source, one: str, other: str) -> str | None:
        return self._having(source, one, other).merge_base(source, one, other)

    def export(self, source: Source, sha: str, destination: Path) -> None:
        self._having(source, sha).export(source, sha, destination)

    def read_file(self, source: Source, sha: str, path: str) -> bytes | None:
        return self._having(source, sha).read_file(source, sha, path)

    def changed_paths(self, source: Source, base: str | None, sha: str) -> tuple[str, ...]:
        return self._having(source, base, sha).changed_paths(source, base, sha)

    def changed_lines(self, source: Source, base: str | None, sha: str) -> Mapping[str, frozenset[int]]:
        return self._having(source, base, sha).changed_lines(source, base, sha)

    def files_of_commits(self, source: Source, base: str | None, sha: str) -> Iterator[ChangedFile]:
        return self._having(source, base, sha).files_of_commits(source, base, sha)

    def tree_digest(self, source: Source, sha: str, paths: tuple[str, ...], *, surrounding: bool = False) -> str:
        return self._having(source, sha).tree_digest(source, sha, paths, surrounding=surrounding)

    def history_digest(self, source: Source, base: str | None, sha: str) -> str:
        return self._having(source, base, sha).history_digest(source, base, sha)

    def _having(self, source: Source, *commits: str | None) -> SourceControl:
        for sha in commits:
            if sha is not None and (source.remote, sha) not in self._here:
                self.fetch(source, sha)
        return self._mirrored
