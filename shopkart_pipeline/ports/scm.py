"""The source control system, as far as a release needs it. Reads a local mirror; `fetch` alone touches the network."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shopkart_pipeline.domain.declaration import Source
from shopkart_pipeline.domain.release import Commit


@dataclass(frozen=True)
class ChangedFile:
    """A file as one commit left it."""

    commit: str
    path: str
    content: bytes = field(repr=False)


class SourceControl(ABC):
    """Commits and trees of a source's repository. Raises `ToolUnavailable` where the remote does not answer,
    `NotFound` where a commit does not exist."""

    @abstractmethod
    def fetch(self, source: Source, sha: str, reference: str | None = None) -> None:
        """Make sure that commit `sha` is in the local mirror; asks the remote only if it is not.

        Args:
            source: whose repository.
            sha: the commit.
            reference: where the remote may have it if it is on no branch, such as `refs/pull/7/head`.
        """

    @abstractmethod
    def head(self, source: Source) -> str:
        """The commit at the tip of the source's branch on the remote."""

    @abstractmethod
    def commit(self, source: Source, sha: str) -> Commit:
        """One commit."""

    @abstractmethod
    def commits(self, source: Source, base: str | None, sha: str) -> tuple[Commit, ...]:
        """Commits reachable from `sha` but not from `base`, oldest first; all of them where `base` is None."""

    @abstractmethod
    def first_parents(self, source: Source, base: str | None, sha: str) -> tuple[Commit, ...]:
        """The steps that a branch took: from `sha` back along first parents as far as `base` does not reach, oldest
        first; all of them where `base` is None. What a merge brought in is not among them, the merge is."""

    @abstractmethod
    def merge_base(self, source: Source, one: str, other: str) -> str | None:
        """The newest commit that both come from; None where they have nothing in common."""

    @abstractmethod
    def export(self, source: Source, sha: str, destination: Path) -> None:
        """Write the tree of `sha` to `destination`, complete or not at all; an existing destination is kept."""

    @abstractmethod
    def read_file(self, source: Source, sha: str, path: str) -> bytes | None:
        """One file as it is at `sha`; None where there is none."""

    @abstractmethod
    def changed_paths(self, source: Source, base: str | None, sha: str) -> tuple[str, ...]:
        """Paths that differ between two trees; every path where `base` is None."""

    @abstractmethod
    def changed_lines(self, source: Source, base: str | None, sha: str) -> Mapping[str, frozenset[int]]:
        """Line numbers (from 1) in `sha` that `base` did not have, by path; every line where `base` is None."""

    @abstractmethod
    def files_of_commits(self, source: Source, base: str | None, sha: str) -> Iterator[ChangedFile]:
        """Every file that a commit in `base..sha` added or changed, also where a later one took it away again."""

    @abstractmethod
    def tree_digest(self, source: Source, sha: str, paths: tuple[str, ...], *, surrounding: bool = False) -> str:
        """`sha256:` over the content of these paths at `sha`, and where `surrounding` of the files in the folders above
        them; equal content gives an equal digest."""

    @abstractmethod
    def history_digest(self, source: Source, base: str | None, sha: str) -> str:
        """`sha256:` over what commits in `base..sha` made of files, but for what stands so in the service's folders and
        in the root at `sha`; equal contents give an equal digest, whatever commits they came by."""
