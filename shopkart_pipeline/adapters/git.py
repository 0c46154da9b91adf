"""Git through a bare mirror per remote. `fetch` and `head` talk to the remote; everything else reads the mirror.

A mirror is made in a folder of its own and renamed when it is complete; whoever fetches holds the mirror's lock, so
that any number of processes may ask for the same commit. Every fetched commit gets a reference, and a force-pushed
branch takes nothing away.

Repositories are hostile input: commit ids are checked before they reach a command line, and a tree with links that
lead out of it is refused. `_git_command` holds git itself on a short leash, `_git_output` reads what it prints.
"""

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath

from shopkart_pipeline.adapters import _git_output as output
from shopkart_pipeline.adapters._git_command import command_name, run_git, without_credentials
from shopkart_pipeline.adapters._process import Completed
from shopkart_pipeline.domain.declaration import Source
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable, UntrustedInput
from shopkart_pipeline.domain.release import Commit
from shopkart_pipeline.ports.scm import ChangedFile, SourceControl

_COMMIT_ID = re.compile(r"[0-9a-f]{40}")
_REFERENCE = re.compile(r"refs/[a-z]+(/[A-Za-z0-9][A-Za-z0-9._-]*)+")
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_READ_TIMEOUT_SECONDS = 60.0
_REMOTE_TIMEOUT_SECONDS = 300.0


class GitSource(SourceControl):
    """Sources in git, mirrored below one folder."""

    def __init__(
        self,
        mirrors: Path,
        batch_bytes: int = 32 * 1024 * 1024,
        authorization: Callable[[Source], str] = lambda source: "",
    ) -> None:
        """
        Args:
            mirrors: folder for the mirrors; made when first needed.
            batch_bytes: how much file content is held in memory at once, but for a single bigger file.
            authorization: the HTTP header of that name for a source's remote, asked for each time; empty for none.
        """
        self._mirrors = mirrors
        self._authorization = authorization
        self._whole_tree = lru_cache(maxsize=8)(self._read_tree)
        self._batch_bytes = batch_bytes

    def fetch(self, source: Source, sha: str, reference: str | None = None) -> None:
        _check(source, sha)
        if self._has(source, sha):
            return
        with self._own(source):
            if not self._has(source, sha):
                self._fetch(source, sha, reference)

    def head(self, source: Source) -> str:
        with self._own(source):
            pass
        reference = f"refs/heads/{source.branch}"
        done = self._ask_remote(source, ["ls-remote", "--end-of-options", "origin", reference])
        for line in done.stdout.decode(errors="replace").splitlines():
            sha, _, name = line.partition("\t")
            if name == reference and _COMMIT_ID.fullmatch(sha):
                return sha
        raise NotFound(f"{source.repository} has no branch {source.branch}.", "Check the source in the declaration.")

    def commit(self, source: Source, sha: str) -> Commit:
        return self._log(source, [sha], "--max-count=1", sha)[0]

    def commits(self, source: Source, base: str | None, sha: str) -> tuple[Commit, ...]:
        return self._log(source, _both(base, sha), "--topo-order", "--reverse", *_range(base, sha))

    def first_parents(self, source: Source, base: str | None, sha: str) -> tuple[Commit, ...]:
        return self._log(source, _both(base, sha), "--first-parent", "--topo-order", "--reverse", *_range(base, sha))

    def merge_base(self, source: Source, one: str, other: str) -> str | None:
        done = self._read(source, [one, other], ["merge-base", one, other], accepted=(0, 1))
        return done.stdout.decode().strip() or None

    def export(self, source: Source, sha: str, destination: Path) -> None:
        if destination.exists():
            return
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{destination.name}-", dir=destination.parent) as scratch:
            tree, index = Path(scratch) / "tree", {"GIT_INDEX_FILE": f"{scratch}/index"}
            tree.mkdir()
            self._read(source, [sha], ["read-tree", sha], index)
            self._read(source, [sha], [f"--work-tree={tree}", "checkout-index", "--all", "--quiet"], index)
            _refuse_links_outside(tree, source, sha)
            try:
                tree.rename(destination)
            except OSError:
                if not destination.is_dir():
                    raise

    def read_file(self, source: Source, sha: str, path: str) -> bytes | None:
        entries = (each for each in self._whole_tree(source, sha) if each.path == path and each.mode.startswith("100"))
        entry = next(entries, None)
        return None if entry is None else self._read(source, [sha], ["cat-file", "blob", entry.object_id]).stdout

    def changed_paths(self, source: Source, base: str | None, sha: str) -> tuple[str, ...]:
        if base is None:
            return tuple(entry.path for entry in self._whole_tree(source, sha))
        done = self._read(
            source, [base, sha], ["diff-tree", "-r", "-z", "--name-only", "--no-renames", base, sha, "--"]
        )
        return tuple(output.path_of(path) for path in done.stdout.split(b"\0") if path)

    def changed_lines(self, source: Source, base: str | None, sha: str) -> Mapping[str, frozenset[int]]:
        options = ["--unified=0", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames"]
        done = self._read(source, _both(base, sha), ["diff", *options, base or _EMPTY_TREE, sha, "--"])
        return output.parse_added_lines(done.stdout)

    def files_of_commits(self, source: Source, base: str | None, sha: str) -> Iterator[ChangedFile]:
        blobs = self._changed_blobs(source, base, sha)
        for batch in output.batches(blobs, self._sizes(source, sha, blobs), self._batch_bytes):
            asked = "".join(f"{blob.object_id}\n" for blob in batch).encode()
            done = self._read(source, [sha], ["cat-file", "--batch"], stdin=asked)
            try:
                contents = output.parse_batch(done.stdout, len(batch))
            except ValueError as error:
                what = f"The mirror of {source.repository} is damaged: {error}."
                raise ToolUnavailable(what, f"Take {self._mirror(source)} away; it is fetched anew.") from error
            for blob, content in zip(batch, contents, strict=True):
                yield ChangedFile(blob.commit, blob.path, content)

    def tree_digest(self, source: Source, sha: str, paths: tuple[str, ...], *, surrounding: bool = False) -> str:
        entries = self._entries(source, sha, paths, surrounding=surrounding)
        return _digest({f"{entry.mode} {entry.object_id} {entry.path}\0" for entry in entries})

    def history_digest(self, source: Source, base: str | None, sha: str) -> str:
        own = self._entries(source, sha, (source.path, *source.shared_paths), surrounding=True)
        standing = {f"{entry.object_id} {entry.path}\0" for entry in own}
        made = {f"{blob.object_id} {blob.path}\0" for blob in self._changed_blobs(source, base, sha)}
        return _digest(made - standing)

    def _entries(
        self, source: Source, sha: str, paths: Sequence[str], *, surrounding: bool
    ) -> Iterator[output.TreeEntry]:
        roots = [os.path.normpath(path) for path in paths]
        above = {str(folder) for root in roots for folder in PurePosixPath(root).parents} if surrounding else set[str]()
        for entry in self._whole_tree(source, sha):
            inside = any(root == "." or entry.path == root or entry.path.startswith(f"{root}/") for root in roots)
            if inside or str(PurePosixPath(entry.path).parent) in above:
                yield entry

    def _mirror(self, source: Source) -> Path:
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", source.repository).strip(".-") or "repository"
        return self._mirrors / f"{slug}-{hashlib.sha256(source.remote.encode()).hexdigest()[:12]}.git"

    def _has(self, source: Source, sha: str) -> bool:
        mirror = self._mirror(source)
        if not mirror.is_dir():
            return False
        return run_git(mirror, ["cat-file", "-e", f"{sha}^{{commit}}"], _READ_TIMEOUT_SECONDS).exit_code == 0

    @contextmanager
    def _own(self, source: Source) -> Generator[None]:
        """Makes the mirror where there is none yet, and keeps other processes from changing it meanwhile."""
        self._mirrors.mkdir(parents=True, exist_ok=True)
        with _locked(self._mirror(source).with_suffix(".lock")):
            if not self._mirror(source).is_dir():
                self._create(self._mirror(source))
            yield

    def _create(self, mirror: Path) -> None:
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=self._mirrors))
        done = run_git(fresh, ["init", "--bare", "--quiet", "--template="], _READ_TIMEOUT_SECONDS)
        if reason := done.failure("git init"):
            shutil.rmtree(fresh, ignore_errors=True)
            raise ToolUnavailable(f"{reason}.", f"Check that {self._mirrors} can be written to.")
        fresh.rename(mirror)

    def _fetch(self, source: Source, sha: str, reference: str | None) -> None:
        """Everything on the branches first: servers may refuse to hand out a commit by its id alone."""
        options = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"]
        self._ask_remote(source, [*options, "--prune", "--force", "origin", "+refs/heads/*:refs/heads/*"])
        if reference and not self._has(source, sha):
            with suppress(NotFound):  # It may be gone, or name another commit by now.
                self._ask_remote(source, [*options, "origin", _checked_reference(source, reference)])
        if not self._has(source, sha):
            self._ask_remote(source, [*options, "origin", f"{sha}:refs/releases/{sha}"])
        self._read(source, [sha], ["update-ref", f"refs/releases/{sha}", sha])

    def _log(self, source: Source, commits: Sequence[str], *arguments: str) -> tuple[Commit, ...]:
        done = self._read(source, commits, ["log", "-z", f"--format={output.COMMIT_FORMAT}", *arguments, "--"])
        return output.parse_commits(done.stdout)

    def _read_tree(self, source: Source, sha: str) -> tuple[output.TreeEntry, ...]:
        """The tree of a commit; remembered as `_whole_tree`, since the stages of a release all ask for it."""
        return output.parse_tree(self._read(source, [sha], ["ls-tree", "-r", "-z", "--full-tree", sha]).stdout)

    def _changed_blobs(self, source: Source, base: str | None, sha: str) -> tuple[output.ChangedBlob, ...]:
        options = ["-z", "--raw", "-c", "--no-abbrev", "--no-renames", "--diff-filter=d", "--reverse", "--topo-order"]
        command = ["log", *options, f"--format={output.RAW_FORMAT}", *_range(base, sha), "--"]
        return tuple(output.parse_changed_blobs(self._read(source, _both(base, sha), command).stdout))

    def _sizes(self, source: Source, sha: str, blobs: Sequence[output.ChangedBlob]) -> list[int]:
        asked = "".join(f"{blob.object_id}\n" for blob in blobs).encode()
        done = self._read(source, [sha], ["cat-file", "--batch-check=%(objectsize)"], stdin=asked)
        return [int(size) for size in done.stdout.split()]

    def _read(
        self,
        source: Source,
        commits: Sequence[str],
        arguments: Sequence[str],
        variables: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
        accepted: Sequence[int] = (0,),
    ) -> Completed:
        """Read from the mirror what the `arguments` say of these `commits`.

        Raises:
            NotFound: the mirror or one of the commits is not there.
            ToolUnavailable: git failed otherwise.
        """
        _check(source, *commits)
        mirror = self._mirror(source)
        if not mirror.is_dir():
            raise NotFound(f"{source.repository} has not been fetched.", "Fetch the commit first.")
        done = run_git(mirror, arguments, _READ_TIMEOUT_SECONDS, variables=variables, stdin=stdin)
        if reason := done.failure(command_name(arguments), accepted):
            absent = [sha for sha in commits if not done.timed_out and not self._has(source, sha)]
            if absent:
                raise NotFound(f"{source.repository} has no commit {absent[0]}.", "Fetch it first, or check its id.")
            raise ToolUnavailable(f"{reason}.", "Look at the mirror with git fsck.")
        return done

    def _ask_remote(self, source: Source, arguments: Sequence[str]) -> Completed:
        mirror, header = self._mirror(source), self._authorization(source)
        done = run_git(mirror, arguments, _REMOTE_TIMEOUT_SECONDS, remote=source.remote, authorization=header)
        if reason := done.failure(command_name(arguments)):
            if "not our ref" in done.tail or "couldn't find remote ref" in done.tail:
                raise NotFound(f"{source.repository} has no such commit.", "Check its id; it may not be pushed yet.")
            said = without_credentials(reason, source.remote, source.repository)
            what = f"The remote of {source.repository} does not answer as it should: {said}."
            raise ToolUnavailable(what, "Check the remote in the declaration and the network.")
        return done


def _check(source: Source, *commits: str) -> None:
    for sha in commits:
        if not _COMMIT_ID.fullmatch(sha):
            raise NotFound(f"{sha[:60]!r} is not a commit of {source.repository}.", "Give all forty digits of its id.")


def _digest(lines: Set[str]) -> str:
    digest = hashlib.sha256()
    for line in sorted(lines):
        digest.update(line.encode("utf-8", "surrogateescape"))
    return f"sha256:{digest.hexdigest()}"


def _checked_reference(source: Source, reference: str) -> str:
    if not _REFERENCE.fullmatch(reference):
        raise NotFound(f"{reference[:60]!r} is not a reference of {source.repository}.", "Give it in full.")
    return reference


def _both(base: str | None, sha: str) -> list[str]:
    return [sha] if base is None else [base, sha]


def _range(base: str | None, sha: str) -> list[str]:
    return [sha] if base is None else [sha, f"^{base}"]


def _refuse_links_outside(tree: Path, source: Source, sha: str) -> None:
    root = os.path.realpath(tree)
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            link = os.path.join(folder, name)
            if not os.path.islink(link):
                continue
            target = os.path.realpath(link)
            inside = target == root or target.startswith(root + os.sep)
            if os.path.isabs(os.readlink(link)) or not inside:
                what = (
                    f"{source.repository} at {sha[:12]} holds a link that leads outside: {os.path.relpath(link, root)}."
                )
                raise UntrustedInput(what, "Take the link out of the repository.")


@contextmanager
def _locked(file: Path) -> Generator[None]:
    """Held by one process or thread at a time; the system frees it when its holder dies."""
    with file.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
