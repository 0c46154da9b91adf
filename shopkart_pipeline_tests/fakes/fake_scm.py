"""A repository in memory: commits with whole trees, a remote that may be out of reach."""

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from shopkart_pipeline.domain.declaration import Source
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable
from shopkart_pipeline.domain.release import Commit, Person
from shopkart_pipeline.ports.scm import ChangedFile, SourceControl

ANA = Person("Ana", "ana@shopkart.example")


@dataclass
class FakeSourceControl(SourceControl):
    """`add` makes commits on the remote; they can be read once they are fetched, or at once with `local=True`."""

    local: bool = True
    unreachable: str | None = None
    """Why the remote does not answer."""
    fetched: list[str] = field(default_factory=list[str])
    """Commits that were asked of the remote, in order."""

    def __post_init__(self) -> None:
        self._commits: dict[str, Commit] = {}
        self._parents: dict[str, tuple[str, ...]] = {}
        self._trees: dict[str, dict[str, bytes]] = {}
        self._branches: dict[str, str] = {}
        self._references: dict[str | None, str] = {}
        self._here: set[str] = set()

    def add(
        self,
        files: Mapping[str, bytes | None],
        *,
        branch: str = "main",
        author: Person = ANA,
        message: str = "change",
        merged: str | None = None,
        committed_at: datetime = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
    ) -> str:
        """One more commit on `branch`, which starts where `main` is; None as content takes a file away, `merged` is a
        second parent."""
        tip = self._branches.get(branch, self._branches.get("main"))
        parents = tuple(parent for parent in (tip, merged) if parent)
        tree = {path: content for parent in parents for path, content in self._trees[parent].items()}
        tree.update({path: content for path, content in files.items() if content is not None})
        for path in [path for path, content in files.items() if content is None]:
            del tree[path]
        sha = hashlib.sha1(repr((parents, sorted(tree.items()), author, message, committed_at)).encode()).hexdigest()
        self._commits[sha] = Commit(sha, committed_at, author, author, message)
        self._parents[sha], self._trees[sha], self._branches[branch] = parents, tree, sha
        if self.local:
            self._here.add(sha)
        return sha

    def propose(self, number: int, sha: str) -> None:
        """The head of pull request `number` on the remote."""
        self.offer(f"refs/pull/{number}/head", sha)

    def offer(self, reference: str, sha: str) -> None:
        """The remote hands out a commit by a reference of its own."""
        self._references[reference] = sha

    def fetch(self, source: Source, sha: str, reference: str | None = None) -> None:
        if sha in self._here:
            return
        self._answer()
        self.fetched.append(sha)
        if reference in self._references:
            self._here.update(self._ancestors(self._references[reference]))
        if sha not in self._commits:
            raise NotFound(f"no commit {sha}", "")
        self._here.update(self._ancestors(sha))

    def head(self, source: Source) -> str:
        self._answer()
        if source.branch not in self._branches:
            raise NotFound(f"no branch {source.branch}", "")
        return self._branches[source.branch]

    def commit(self, source: Source, sha: str) -> Commit:
        self._tree(sha)
        return self._commits[sha]

    def commits(self, source: Source, base: str | None, sha: str) -> tuple[Commit, ...]:
        return tuple(self._commits[one] for one in self._range(base, sha))

    def first_parents(self, source: Source, base: str | None, sha: str) -> tuple[Commit, ...]:
        self._tree(sha)
        self._old(base)
        known, step = set(self._ancestors(base)) if base else set[str](), sha
        steps: list[str] = []
        while step and step not in known:
            steps.insert(0, step)
            step = next(iter(self._parents[step]), "")
        return tuple(self._commits[one] for one in steps)

    def merge_base(self, source: Source, one: str, other: str) -> str | None:
        self._tree(one)
        self._tree(other)
        common = set(self._ancestors(one)) & set(self._ancestors(other))
        return next((sha for sha in reversed(self._ancestors(one)) if sha in common), None)

    def export(self, source: Source, sha: str, destination: Path) -> None:
        tree = self._tree(sha)
        if destination.exists():
            return
        for path, content in tree.items():
            file = destination / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)

    def read_file(self, source: Source, sha: str, path: str) -> bytes | None:
        return self._tree(sha).get(path)

    def changed_paths(self, source: Source, base: str | None, sha: str) -> tuple[str, ...]:
        old, new = self._old(base), self._tree(sha)
        return tuple(sorted(path for path in {*old, *new} if old.get(path) != new.get(path)))

    def changed_lines(self, source: Source, base: str | None, sha: str) -> Mapping[str, frozenset[int]]:
        old, new = self._old(base), self._tree(sha)
        changed = {path: _added(old.get(path, b""), content) for path, content in new.items()}
        return {path: lines for path, lines in changed.items() if lines}

    def files_of_commits(self, source: Source, base: str | None, sha: str) -> Iterator[ChangedFile]:
        seen: set[tuple[str, bytes]] = set()
        for one in self._range(base, sha):
            for path, content in self._trees[one].items():
                known = any(self._trees[parent].get(path) == content for parent in self._parents[one])
                if not known and (path, content) not in seen:
                    seen.add((path, content))
                    yield ChangedFile(one, path, content)

    def tree_digest(self, source: Source, sha: str, paths: tuple[str, ...], *, surrounding: bool = False) -> str:
        above = {str(folder) for root in paths for folder in PurePosixPath(root).parents} if surrounding else set[str]()
        chosen = [
            (path, content)
            for path, content in sorted(self._tree(sha).items())
            if any(root == "." or path == root or path.startswith(f"{root}/") for root in paths)
            or str(PurePosixPath(path).parent) in above
        ]
        return f"sha256:{hashlib.sha256(repr(chosen).encode()).hexdigest()}"

    def history_digest(self, source: Source, base: str | None, sha: str) -> str:
        roots = (source.path, *source.shared_paths)
        standing = {
            (path, content)
            for path, content in self._tree(sha).items()
            if "/" not in path or any(root == "." or path.startswith(f"{root}/") for root in roots)
        }
        made = {(file.path, file.content) for file in self.files_of_commits(source, base, sha)}
        return f"sha256:{hashlib.sha256(repr(sorted(made - standing)).encode()).hexdigest()}"

    def _answer(self) -> None:
        if self.unreachable is not None:
            raise ToolUnavailable(self.unreachable, "")

    def _tree(self, sha: str) -> dict[str, bytes]:
        if sha not in self._here:
            raise NotFound(f"no commit {sha}", "")
        return self._trees[sha]

    def _old(self, base: str | None) -> dict[str, bytes]:
        return self._tree(base) if base else {}

    def _ancestors(self, sha: str) -> list[str]:
        """The commit and all before it, parents first."""
        found: list[str] = []
        for parent in self._parents[sha]:
            found += [one for one in self._ancestors(parent) if one not in found]
        return [*found, sha]

    def _range(self, base: str | None, sha: str) -> list[str]:
        self._tree(sha)
        self._old(base)
        known = set(self._ancestors(base)) if base else set[str]()
        return [one for one in self._ancestors(sha) if one not in known]


def _added(old: bytes, new: bytes) -> frozenset[int]:
    if b"\0" in new:
        return frozenset()
    matcher = difflib.SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False)
    return frozenset(
        line + 1 for kind, _, _, first, last in matcher.get_opcodes() if kind != "equal" for line in range(first, last)
    )
