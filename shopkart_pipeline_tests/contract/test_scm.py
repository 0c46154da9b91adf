"""What every source control system owes its callers: one suite over the fake and over real git."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

from shopkart_pipeline.adapters.git import GitSource
from shopkart_pipeline.domain.declaration import Source
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable
from shopkart_pipeline.domain.release import Person
from shopkart_pipeline.ports.scm import SourceControl
from shopkart_pipeline_tests.fakes.fake_scm import ANA, FakeSourceControl

BEN = Person("Ben Ö", "ben@shopkart.example")
NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)
UNKNOWN = "0123456789" * 4


class World(Protocol):
    """A remote that commits can be made on, and a source control system that reads it."""

    @property
    def scm(self) -> SourceControl: ...

    @property
    def source(self) -> Source: ...

    def add(
        self,
        files: Mapping[str, bytes | None],
        *,
        author: Person = ANA,
        message: str = "change",
        merged: str | None = None,
        branch: str = "main",
    ) -> str: ...

    def propose(self, number: int, sha: str) -> None: ...

    def hide_remote(self) -> None: ...


@dataclass
class FakeWorld:
    scm: FakeSourceControl
    source: Source

    def add(self, files: Mapping[str, bytes | None], **details: Any) -> str:
        return self.scm.add(files, committed_at=NOON, **details)

    def propose(self, number: int, sha: str) -> None:
        self.scm.propose(number, sha)

    def hide_remote(self) -> None:
        self.scm.unreachable = "the remote is down"


@dataclass
class GitWorld:
    scm: GitSource
    source: Source
    remote: Path

    def add(
        self,
        files: Mapping[str, bytes | None],
        *,
        author: Person = ANA,
        message: str = "change",
        merged: str | None = None,
        branch: str = "main",
    ) -> str:
        if not self.remote.exists():
            self.git("init", "--quiet")
        self._check_out(branch)
        if merged:
            self.git("-c", "user.name=x", "-c", "user.email=x", "merge", "--quiet", "--no-ff", "--no-commit", merged)
        for path, content in files.items():
            file = self.remote / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink() if content is None else file.write_bytes(content)
        self.git("add", "--all")
        when = NOON.isoformat()
        people = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", author.name), ("EMAIL", author.email), ("DATE", when))
        }
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}", **people)
        return self.git("rev-parse", "HEAD")

    def _check_out(self, branch: str) -> None:
        branches = self.git("branch", "--format=%(refname:short)").split()
        if branch in branches:
            self.git("checkout", "--quiet", branch)
        elif "main" in branches:
            self.git("checkout", "--quiet", "-b", branch, "main")
        else:
            self.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")

    def propose(self, number: int, sha: str) -> None:
        """The forge's reference to a head, and no branch that has it; nor does it hand out commits by their ids."""
        self.git("update-ref", f"refs/pull/{number}/head", sha)
        self.git("checkout", "--quiet", "main")
        for branch in self.git("branch", "--format=%(refname:short)", "--contains", sha).split():
            self.git("branch", "--quiet", "-D", branch)
        self.git("config", "protocol.version", "0")

    def hide_remote(self) -> None:
        self.remote.rename(self.remote.with_name("gone"))

    def git(self, *arguments: str, **variables: str) -> str:
        environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "GIT_CONFIG_GLOBAL": "/dev/null", **variables}
        self.remote.mkdir(exist_ok=True)
        done = subprocess.run(
            ["git", *arguments], cwd=self.remote, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()


@pytest.fixture(params=["fake", "git"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    remote = tmp_path / "remote"
    source = Source("shopkart/storefront", str(remote), "main", "backend", ("servicekit",))
    if request.param == "fake":
        return FakeWorld(FakeSourceControl(local=False), source)
    return GitWorld(GitSource(tmp_path / "mirrors"), source, remote)


def fetched(world: World, sha: str) -> str:
    world.scm.fetch(world.source, sha)
    return sha


def test_a_commit_tells_who_made_it_and_when(world: World) -> None:
    sha = fetched(world, world.add({"a": b"1\n"}, author=BEN, message="feat: carts\n\nWhy it is so."))

    commit = world.scm.commit(world.source, sha)

    assert (commit.sha, commit.committed_at, commit.author, commit.committer) == (sha, NOON, BEN, BEN)
    assert (commit.title, commit.message) == ("feat: carts", "feat: carts\n\nWhy it is so.")


def test_commits_of_a_range_come_oldest_first(world: World) -> None:
    first, second, third = (world.add({"a": bytes([65 + n])}, message=f"{n}") for n in range(3))
    fetched(world, third)

    assert [commit.sha for commit in world.scm.commits(world.source, first, third)] == [second, third]
    assert [commit.sha for commit in world.scm.commits(world.source, None, third)] == [first, second, third]
    assert world.scm.commits(world.source, third, third) == ()


def test_the_remote_is_asked_only_for_what_is_not_here(world: World) -> None:
    first = world.add({"a": b"1"})
    second = world.add({"a": b"2"})
    fetched(world, second)
    world.hide_remote()

    world.scm.fetch(world.source, second)
    world.scm.fetch(world.source, first)

    assert world.scm.commit(world.source, first).sha == first


def test_a_remote_out_of_reach_is_no_missing_commit(world: World) -> None:
    sha = world.add({"a": b"1"})
    world.hide_remote()

    with pytest.raises(ToolUnavailable):
        world.scm.fetch(world.source, sha)
    with pytest.raises(ToolUnavailable):
        world.scm.head(world.source)


def test_a_commit_that_does_not_exist_is_not_found(world: World, tmp_path: Path) -> None:
    sha = fetched(world, world.add({"a": b"1"}))

    with pytest.raises(NotFound):
        world.scm.fetch(world.source, UNKNOWN)
    with pytest.raises(NotFound):
        world.scm.commit(world.source, UNKNOWN)
    with pytest.raises(NotFound):
        world.scm.changed_paths(world.source, UNKNOWN, sha)
    with pytest.raises(NotFound):
        world.scm.export(world.source, UNKNOWN, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


def test_nothing_is_found_before_it_was_fetched(world: World) -> None:
    sha = world.add({"a": b"1"})

    with pytest.raises(NotFound):
        world.scm.commit(world.source, sha)


def test_head_is_the_tip_of_the_declared_branch(world: World) -> None:
    world.add({"a": b"1"})
    tip = world.add({"a": b"2"})
    world.add({"b": b"1"}, branch="other")

    assert world.scm.head(world.source) == tip


def test_a_branch_that_does_not_exist_is_not_found(world: World) -> None:
    world.add({"a": b"1"}, branch="other")

    with pytest.raises(NotFound):
        world.scm.head(Source("shopkart/storefront", world.source.remote, "trunk", "."))


def test_a_commit_on_another_branch_can_be_fetched(world: World) -> None:
    world.add({"a": b"1"})
    other = world.add({"b": b"1"}, branch="feature/x")

    world.scm.fetch(world.source, other)

    assert world.scm.changed_paths(world.source, None, other) == ("a", "b")


def test_an_exported_tree_holds_exactly_the_commits_files(world: World, tmp_path: Path) -> None:
    world.add({"a": b"1", "deep/er/b": b"\x00\xff binary", "gone": b"x"})
    sha = fetched(world, world.add({"gone": None, "c d": b"3\r\n"}))

    world.scm.export(world.source, sha, tmp_path / "trees" / "one")

    root = tmp_path / "trees" / "one"
    files = {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}
    assert files == {"a": b"1", "deep/er/b": b"\x00\xff binary", "c d": b"3\r\n"}
    assert [entry.name for entry in root.parent.iterdir()] == ["one"]


def test_an_exported_tree_is_kept(world: World, tmp_path: Path) -> None:
    sha = fetched(world, world.add({"a": b"1"}))
    (tmp_path / "tree").mkdir()

    world.scm.export(world.source, sha, tmp_path / "tree")

    assert list((tmp_path / "tree").iterdir()) == []


def test_one_file_is_read_as_it_was(world: World) -> None:
    first = world.add({"docs/a.md": "✓ one".encode()})
    second = fetched(world, world.add({"docs/a.md": b"two"}))

    assert world.scm.read_file(world.source, first, "docs/a.md") == "✓ one".encode()
    assert world.scm.read_file(world.source, second, "docs/a.md") == b"two"
    assert world.scm.read_file(world.source, second, "docs") is None
    assert world.scm.read_file(world.source, second, "docs/b.md") is None


def test_changed_paths_are_those_that_differ(world: World) -> None:
    first = world.add({"same": b"1", "edited": b"1", "gone": b"1"})
    second = fetched(world, world.add({"edited": b"2", "gone": None, "nëw \t": b"1"}))

    assert sorted(world.scm.changed_paths(world.source, first, second)) == ["edited", "gone", "nëw \t"]
    assert sorted(world.scm.changed_paths(world.source, None, first)) == ["edited", "gone", "same"]
    assert world.scm.changed_paths(world.source, second, second) == ()


def test_changed_lines_are_those_that_the_base_did_not_have(world: World) -> None:
    first = world.add({"a": b"one\ntwo\nthree\n", "gone": b"x\n", "same": b"y\n"})
    second = fetched(world, world.add({"a": b"one\n2\nthree\nfour", "gone": None, 'q"ü': b"++ b/fake\n@@ -1 +1 @@\n"}))

    assert world.scm.changed_lines(world.source, first, second) == {
        "a": frozenset({2, 4}),
        'q"ü': frozenset({1, 2}),
    }
    assert world.scm.changed_lines(world.source, None, first)["a"] == frozenset({1, 2, 3})


def test_a_file_taken_away_again_is_still_a_file_of_the_commits(world: World) -> None:
    base = world.add({"a": b"1"})
    leak = world.add({"key": b"secret"})
    tip = fetched(world, world.add({"key": None, "a": b"2"}))

    files = list(world.scm.files_of_commits(world.source, base, tip))

    assert [(file.commit, file.path, file.content) for file in files] == [(leak, "key", b"secret"), (tip, "a", b"2")]


def test_what_only_a_merge_commit_holds_is_found(world: World) -> None:
    base = world.add({"a": b"1"})
    side = world.add({"b": b"1"}, branch="side")
    merge = fetched(world, world.add({"hidden": b"evil"}, merged=side))

    paths = {(file.commit, file.path) for file in world.scm.files_of_commits(world.source, base, merge)}
    assert paths == {(side, "b"), (merge, "hidden")}


def test_equal_content_at_other_commits_has_an_equal_digest(world: World) -> None:
    first = world.add({"backend/a": b"1", "servicekit/b": b"1", "frontend/c": b"1", "backend2/d": b"1"})
    second = world.add({"frontend/c": b"2", "backend2/d": b"2"})
    third = fetched(world, world.add({"servicekit/b": b"2"}))
    paths = ("backend", "servicekit")

    digests = [world.scm.tree_digest(world.source, sha, paths) for sha in (first, second, third)]

    assert digests[0] == digests[1] != digests[2]
    assert digests[0].startswith("sha256:")
    assert world.scm.tree_digest(world.source, first, (".",)) != world.scm.tree_digest(world.source, second, (".",))


@pytest.mark.parametrize("configuration", ["ruff.toml", "apps/ruff.toml"])
def test_files_in_the_folders_above_count_where_they_are_asked_for(world: World, configuration: str) -> None:
    first = world.add({"apps/backend/app.py": b"1", configuration: b"a", "apps/other/x": b"a"})
    second = world.add({configuration: b"b"})
    third = world.add({"apps/other/x": b"b"})
    world.scm.fetch(world.source, third)
    commits = (first, second, third)
    asked = [world.scm.tree_digest(world.source, sha, ("apps/backend",), surrounding=True) for sha in commits]
    not_asked = [world.scm.tree_digest(world.source, sha, ("apps/backend",)) for sha in commits]

    assert asked[0] != asked[1] == asked[2]
    assert len(set(not_asked)) == 1


def test_a_history_without_anything_that_came_and_went_is_as_good_as_none(world: World) -> None:
    first = world.add({f"{world.source.path}/app.py": b"1"})
    second = world.add({f"{world.source.path}/app.py": b"2"})
    same = world.add({f"{world.source.path}/app.py": b"2"}, message="nothing new")
    world.scm.fetch(world.source, same)

    assert world.scm.history_digest(world.source, first, second) == world.scm.history_digest(world.source, second, same)


def test_what_a_commit_took_away_again_is_part_of_the_history(world: World) -> None:
    first = world.add({f"{world.source.path}/app.py": b"1"})
    world.add({f"{world.source.path}/key.pem": b"secret"})
    last = world.add({f"{world.source.path}/key.pem": None})
    world.scm.fetch(world.source, last)
    clean = world.scm.history_digest(world.source, last, last)

    assert world.scm.history_digest(world.source, first, last) != clean


def test_the_head_of_a_pull_request_can_be_fetched_by_its_reference(world: World) -> None:
    world.add({"a": b"1"})
    head = world.add({"b": b"1"}, branch="of a fork".replace(" ", "-"))
    world.propose(7, head)

    world.scm.fetch(world.source, head, "refs/pull/7/head")

    assert world.scm.changed_paths(world.source, None, head) == ("a", "b")


def test_a_head_that_moved_on_can_be_fetched_by_its_reference(world: World) -> None:
    world.add({"a": b"1"})
    first = world.add({"b": b"1"}, branch="proposed")
    world.propose(7, world.add({"b": b"2"}, branch="proposed"))

    world.scm.fetch(world.source, first, "refs/pull/7/head")

    assert world.scm.commit(world.source, first).sha == first


@pytest.mark.parametrize("reference", ["refs/pull/8/head", None])
def test_a_reference_that_is_gone_does_not_hide_a_commit_on_a_branch(world: World, reference: str | None) -> None:
    sha = world.add({"a": b"1"})

    world.scm.fetch(world.source, sha, reference)

    assert world.scm.commit(world.source, sha).sha == sha


def test_a_head_that_nobody_has_is_not_found(world: World) -> None:
    world.add({"a": b"1"})

    with pytest.raises(NotFound):
        world.scm.fetch(world.source, UNKNOWN, "refs/pull/7/head")


def test_the_merge_base_is_where_two_commits_parted(world: World) -> None:
    world.add({"a": b"1"})
    base = world.add({"a": b"2"})
    head = fetched(world, world.add({"b": b"1"}, branch="proposed"))
    tip = fetched(world, world.add({"a": b"3"}))

    assert world.scm.merge_base(world.source, tip, head) == base
    assert world.scm.merge_base(world.source, head, tip) == base
    assert world.scm.merge_base(world.source, base, head) == base


def test_what_was_merged_into_the_head_is_its_base_now(world: World) -> None:
    world.add({"a": b"1"})
    world.add({"b": b"1"}, branch="proposed")
    tip = world.add({"a": b"2"})
    head = fetched(world, world.add({"c": b"1"}, branch="proposed", merged=tip))

    assert world.scm.merge_base(world.source, tip, head) == tip


def test_a_merge_base_of_what_is_not_here_is_not_found(world: World) -> None:
    sha = fetched(world, world.add({"a": b"1"}))

    with pytest.raises(NotFound):
        world.scm.merge_base(world.source, UNKNOWN, sha)
    with pytest.raises(NotFound):
        world.scm.merge_base(world.source, sha, UNKNOWN)


def test_the_steps_of_a_branch_are_its_merges_not_what_they_brought(world: World) -> None:
    base = world.add({"a": b"1"})
    side = world.add({"b": b"1"}, branch="side")
    merge = world.add({}, merged=side)
    tip = fetched(world, world.add({"a": b"2"}))

    assert [commit.sha for commit in world.scm.first_parents(world.source, base, tip)] == [merge, tip]
    assert [commit.sha for commit in world.scm.first_parents(world.source, None, tip)] == [base, merge, tip]
    assert world.scm.first_parents(world.source, tip, base) == ()


def test_steps_of_what_is_not_here_are_not_found(world: World) -> None:
    sha = fetched(world, world.add({"a": b"1"}))

    with pytest.raises(NotFound):
        world.scm.first_parents(world.source, UNKNOWN, sha)
    with pytest.raises(NotFound):
        world.scm.first_parents(world.source, sha, UNKNOWN)
