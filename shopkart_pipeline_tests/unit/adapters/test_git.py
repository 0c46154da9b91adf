"""Git where it is hostile or broken; what every source control system owes is in `contract/test_scm.py`."""

import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters import _git_command
from shopkart_pipeline.adapters._git_output import parse_added_lines, parse_batch, parse_changed_blobs
from shopkart_pipeline.adapters.git import GitSource
from shopkart_pipeline.domain.declaration import Source
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable, UntrustedInput


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ana", "-c", "user.email=ana@shopkart.example", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit_all(remote: Path) -> str:
    git(remote, "add", "--all")
    git(remote, "commit", "--quiet", "--message=change")
    return git(remote, "rev-parse", "HEAD")


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    folder = tmp_path / "remote"
    folder.mkdir()
    git(folder, "init", "--quiet")
    return folder


@pytest.fixture
def scm(tmp_path: Path) -> GitSource:
    return GitSource(tmp_path / "mirrors")


@pytest.fixture
def source(remote: Path) -> Source:
    return Source("shopkart/storefront", str(remote), "main", ".")


@pytest.mark.parametrize("sha", ["--upload-pack=touch pwned", "HEAD", "main", "a" * 39, "A" * 40, "a" * 40 + "\n", ""])
def test_only_a_full_commit_id_reaches_git(scm: GitSource, source: Source, tmp_path: Path, sha: str) -> None:
    with pytest.raises(NotFound):
        scm.fetch(source, sha)
    with pytest.raises(NotFound):
        scm.export(source, sha, tmp_path / "tree")


def test_a_remote_that_runs_a_program_is_refused(scm: GitSource, source: Source, tmp_path: Path) -> None:
    hostile = replace(source, remote=f"ext::sh -c touch% {tmp_path}/pwned")

    with pytest.raises(ToolUnavailable):
        scm.fetch(hostile, "a" * 40)

    assert not (tmp_path / "pwned").exists()


def test_a_credential_in_the_remote_shows_up_nowhere(scm: GitSource, source: Source, tmp_path: Path) -> None:
    private = replace(source, remote="https://robot:hunter2@127.0.0.1:1/shopkart/storefront.git")

    with pytest.raises(ToolUnavailable) as caught:
        scm.fetch(private, "a" * 40)

    assert "hunter2" not in str(caught.value)
    assert "shopkart/storefront" in str(caught.value)
    written = [file for file in (tmp_path / "mirrors").rglob("*") if file.is_file()]
    assert all(b"hunter2" not in file.read_bytes() for file in written)


def test_a_link_that_leads_outside_is_refused(scm: GitSource, source: Source, remote: Path, tmp_path: Path) -> None:
    (remote / "escape").symlink_to("../../../etc/passwd")
    scm.fetch(source, sha := commit_all(remote))

    with pytest.raises(UntrustedInput, match="escape"):
        scm.export(source, sha, tmp_path / "tree")

    assert not (tmp_path / "tree").exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mirrors", "remote"]


def test_a_link_through_another_link_is_refused(scm: GitSource, source: Source, remote: Path, tmp_path: Path) -> None:
    (remote / "deep" / "er").mkdir(parents=True)
    (remote / "deep" / "er" / "file").write_text("x")
    (remote / "a").symlink_to("deep/er")
    (remote / "b").symlink_to("a/../../../remote")
    scm.fetch(source, sha := commit_all(remote))

    with pytest.raises(UntrustedInput):
        scm.export(source, sha, tmp_path / "tree")


def test_links_inside_the_tree_are_kept(scm: GitSource, source: Source, remote: Path, tmp_path: Path) -> None:
    (remote / "real").write_text("here")
    (remote / "link").symlink_to("real")
    scm.fetch(source, sha := commit_all(remote))

    scm.export(source, sha, tmp_path / "tree")

    assert (tmp_path / "tree" / "link").is_symlink()
    assert (tmp_path / "tree" / "link").read_text() == "here"
    assert not (tmp_path / "tree" / ".git").exists()


def test_attributes_of_the_repository_hide_no_file_and_run_no_filter(
    scm: GitSource, source: Source, remote: Path, tmp_path: Path
) -> None:
    (remote / ".gitattributes").write_text("hidden export-ignore -diff\nhidden filter=evil\n")
    (remote / "hidden").write_text("x = 1\n")
    scm.fetch(source, sha := commit_all(remote))

    scm.export(source, sha, tmp_path / "tree")

    assert (tmp_path / "tree" / "hidden").read_text() == "x = 1\n"
    assert scm.changed_lines(source, None, sha)["hidden"] == {1}


def test_a_force_push_takes_no_release_away(scm: GitSource, source: Source, remote: Path, tmp_path: Path) -> None:
    (remote / "a").write_text("1")
    first = commit_all(remote)
    (remote / "a").write_text("2")
    scm.fetch(source, second := commit_all(remote))
    git(remote, "reset", "--quiet", "--hard", first)
    (remote / "a").write_text("3")

    scm.fetch(source, commit_all(remote))

    assert scm.commit(source, second).sha == second
    assert git(next((tmp_path / "mirrors").glob("*.git")), "for-each-ref", "--contains", second, "refs/releases") != ""


def test_a_commit_on_no_branch_can_be_fetched(scm: GitSource, source: Source, remote: Path) -> None:
    (remote / "a").write_text("1")
    first = commit_all(remote)
    (remote / "a").write_text("2")
    detached = commit_all(remote)
    git(remote, "reset", "--quiet", "--hard", first)

    scm.fetch(source, detached)

    assert scm.changed_paths(source, first, detached) == ("a",)


def test_fetching_at_the_same_time_makes_one_mirror(
    scm: GitSource, source: Source, remote: Path, tmp_path: Path
) -> None:
    (remote / "a").write_text("1")
    sha = commit_all(remote)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(scm.fetch, [source] * 8, [sha] * 8))

    assert len([entry for entry in (tmp_path / "mirrors").iterdir() if entry.is_dir()]) == 1
    assert scm.commit(source, sha).sha == sha


def test_exporting_at_the_same_time_gives_one_complete_tree(
    scm: GitSource, source: Source, remote: Path, tmp_path: Path
) -> None:
    for number in range(50):
        (remote / f"file{number}").write_text(str(number))
    scm.fetch(source, sha := commit_all(remote))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(scm.export, [source] * 4, [sha] * 4, [tmp_path / "trees" / sha] * 4))

    assert [entry.name for entry in (tmp_path / "trees").iterdir()] == [sha]
    assert len(list((tmp_path / "trees" / sha).iterdir())) == 50


def test_big_files_are_read_in_several_batches(source: Source, remote: Path, tmp_path: Path) -> None:
    scm = GitSource(tmp_path / "mirrors", batch_bytes=1000)
    contents = {"a": b"a" * 600, "b": b"b" * 600, "c": b"c" * 5000, "d": b""}
    for name, content in contents.items():
        (remote / name).write_bytes(content)
    scm.fetch(source, sha := commit_all(remote))

    assert {file.path: file.content for file in scm.files_of_commits(source, None, sha)} == contents


def test_the_users_configuration_has_no_say(
    scm: GitSource, source: Source, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (remote / "a").write_text("1")
    sha = commit_all(remote)
    (tmp_path / "config").write_text('[url "ext::false"]\n\tinsteadOf = /\n[core]\n\tpager = false\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))

    scm.fetch(source, sha)

    assert scm.commit(source, sha).sha == sha


def test_a_batch_that_ends_early_is_not_read_as_complete() -> None:
    whole = b"a" * 40 + b" blob 3\nabc\n" + b"b" * 40 + b" blob 2\nxy\n"

    assert parse_batch(whole, 2) == [b"abc", b"xy"]
    for end in (len(whole) - 1, len(whole) - 4, 52):
        with pytest.raises(ValueError, match=r"objects could be read|not found"):
            parse_batch(whole[:end], 2)
    with pytest.raises(ValueError, match="missing"):
        parse_batch(b"a" * 40 + b" missing\n", 1)


def test_the_same_content_at_the_same_path_is_one_file() -> None:
    zeros, blob = b"0" * 40, b"a" * 40
    record = b":000000 100644 " + zeros + b" " + blob + b" A\0key\0"

    found = list(parse_changed_blobs(b"\x01one\0\0" + record + b"\x01two\0\n" + record))

    assert [(file.commit, file.path) for file in found] == [("one", "key")]


def test_a_patch_of_binary_and_renamed_files_adds_only_text_lines() -> None:
    patch = (
        b"diff --git a/x.bin b/x.bin\nBinary files a/x.bin and b/x.bin differ\n"
        b"diff --git a/old b/new name\nsimilarity index 90%\nrename from old\nrename to new name\n"
        b"--- a/old\n+++ b/new name\t\n@@ -3 +3,2 @@ def f():\n-three\n+3\n+++ b/decoy\n\\ No newline at end of file\n"
        b"@@ -9,2 +10,0 @@\n-x\n-y\n"
    )

    assert parse_added_lines(patch) == {"new name": frozenset({3, 4})}


@pytest.mark.parametrize(
    "reference", ["--upload-pack=touch pwned", "refs/pull/7/head:refs/heads/main", "HEAD", "refs/../x"]
)
def test_only_a_full_reference_reaches_git(scm: GitSource, source: Source, remote: Path, reference: str) -> None:
    (remote / "a").write_text("1")
    commit_all(remote)

    with pytest.raises(NotFound):
        scm.fetch(source, "a" * 40, reference)


def test_histories_that_have_nothing_in_common_have_no_merge_base(scm: GitSource, source: Source, remote: Path) -> None:
    (remote / "a").write_text("1")
    first = commit_all(remote)
    git(remote, "checkout", "--quiet", "--orphan", "other")
    (remote / "a").write_text("2")
    second = commit_all(remote)
    scm.fetch(source, second)

    assert scm.merge_base(source, first, second) is None


@pytest.fixture
def guarded(remote: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """The remote behind HTTP, for whoever introduces himself; its address, and what was sent for an introduction."""
    asked: list[str] = []
    backend = Path(git(remote, "--exec-path")) / "git-http-backend"

    class Backend(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Authorization", ""))
            if asked[-1] != "Basic dG9rZW4=":
                self.send_error(401)
                return
            path, _, query = self.path.partition("?")
            variables = {
                **os.environ,
                "GIT_PROJECT_ROOT": str(remote),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path.removeprefix("/shop.git"),
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            }
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            said = subprocess.run([backend], input=body, env=variables, capture_output=True, check=True).stdout
            head, _, content = said.partition(b"\r\n\r\n")
            self.send_response(200)
            for line in head.decode().splitlines():
                name, _, value = line.partition(": ")
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    monkeypatch.setitem(_git_command._VARIABLES, "GIT_ALLOW_PROTOCOL", "http")  # pyright: ignore[reportPrivateUsage]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/shop.git", asked
        server.shutdown()


def test_git_introduces_itself_to_the_remote_that_it_is_told_to(
    tmp_path: Path, remote: Path, source: Source, guarded: tuple[str, list[str]]
) -> None:
    (remote / "app.py").write_text("1")
    sha = commit_all(remote)
    address, asked = guarded
    there = replace(source, remote=address)

    with pytest.raises(ToolUnavailable):
        GitSource(tmp_path / "stranger").fetch(there, sha)
    scm = GitSource(tmp_path / "known", authorization=lambda source: "Basic dG9rZW4=")
    scm.fetch(there, sha)

    assert scm.commit(there, sha).sha == sha
    assert set(asked) == {"", "Basic dG9rZW4="}
    kept = b"".join(path.read_bytes() for path in (tmp_path / "known").rglob("*") if path.is_file())
    assert b"dG9rZW4" not in kept


def test_a_refused_introduction_is_not_shown(tmp_path: Path, source: Source, guarded: tuple[str, list[str]]) -> None:
    scm = GitSource(tmp_path / "mirrors", authorization=lambda source: "Basic d3Jvbmc=")

    with pytest.raises(ToolUnavailable) as failure:
        scm.fetch(replace(source, remote=guarded[0]), "a" * 40)

    assert "d3Jvbmc" not in str(failure.value)
