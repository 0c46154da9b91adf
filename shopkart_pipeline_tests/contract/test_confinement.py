"""What a command of the project's code tries in order to get at what the pipeline keeps, and what becomes of it.

All of it is tried by real processes in real namespaces. Where the system forbids namespaces of users, there is
nothing to try; that commands then run and that it is told, is shown without them.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shopkart_pipeline.adapters import _confinement
from shopkart_pipeline.adapters._confinement import AUTO, OFF, REQUIRED, Confinement
from shopkart_pipeline.adapters._process import Command, Completed, run
from shopkart_pipeline.adapters.local_cluster.processes import Daemon, Processes
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.ports.confinement import NotConfined

_SECRET = "the-signing-key"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a key, a token, a ledger and a listening socket; commands of this process are kept from it."""
    home = tmp_path_factory.mktemp("confined") / "home"
    home.mkdir()
    for name in ("signer/key", "signer/token", "secrets/webhook", "demo/approver", "private/key", "ledger.db"):
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(_SECRET)
    (home / "work" / "trees").mkdir(parents=True)
    kept = home.parent / "kept"
    kept.mkdir()
    for path in (kept / "private-key.pem", home.parent / "kept-file"):
        path.write_text(_SECRET)
    before = _confinement._current  # pyright: ignore[reportPrivateUsage]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(home / "signer" / "socket"))
        listening.listen()
        _confinement.confine(home, AUTO, (home.parent / "kept-file", kept))
        yield home
    _confinement._current = before  # pyright: ignore[reportPrivateUsage]


@pytest.fixture(scope="module")
def confined(home: Path) -> None:
    state = _confinement.confinement()
    if isinstance(state, NotConfined):
        pytest.skip(f"{state.reason}: what confinement keeps out is LEFT OUT")


def tried(home: Path, script: str, *, confined: bool = True) -> Completed:
    return run(Command(["sh", "-c", script], home / "work", 20.0, capture=True, confined=confined))


_ATTEMPTS = {
    "reads the key": "cat {home}/signer/key",
    "reads the token by another way": "cat /proc/self/root{home}/signer/token",
    "reads a secret through a link": "ln -sf {home}/secrets/webhook link && cat link",
    "reads a person's key": "cat {home}/demo/approver",
    "reads a file that a variable of the pipeline names": "grep . {parent}/kept-file",
    "reads in a folder of secrets": "cat {parent}/kept/private-key.pem",
    "takes the cover off": "umount -l {home}; cat {home}/signer/key",
    "takes the cover off in namespaces of its own": (
        "unshare --user --map-root-user --mount sh -c 'umount -l {home}; cat {home}/signer/key'"
    ),
    "mounts what lies below the cover": ("mkdir -p under && mount --bind {parent} under; cat under/{name}/signer/key"),
    "goes through the pipeline's process": "cat /proc/{pid}/root{home}/signer/key",
    "goes to the pipeline's namespace": "nsenter --mount=/proc/{pid}/ns/mnt cat {home}/signer/key",
    "goes through the pipeline's open files": "cat /proc/{pid}/cwd{home}/signer/key",
    "reads what the pipeline puts aside": "cat {home}/private/key",
    "climbs up from its folder": "cat ../signer/key",
}


@pytest.mark.parametrize("attempt", _ATTEMPTS)
@pytest.mark.usefixtures("confined")
def test_no_command_reads_what_the_pipeline_keeps(home: Path, attempt: str) -> None:
    script = _ATTEMPTS[attempt].format(home=home, parent=home.parent, name=home.name, pid=os.getpid())
    done = tried(home, script)
    assert done.exit_code != 0
    assert _SECRET not in done.stdout.decode() + done.tail


@pytest.mark.usefixtures("confined")
def test_the_same_words_read_it_where_a_command_is_not_confined(home: Path) -> None:
    assert tried(home, f"cat {home}/signer/key", confined=False).stdout.decode() == _SECRET


@pytest.mark.usefixtures("confined")
def test_no_command_reaches_the_signers_socket(home: Path) -> None:
    script = f"import os, socket; os.chdir({str(home)!r}); socket.socket(socket.AF_UNIX).connect('signer/socket')"
    done = run(Command([sys.executable, "-c", script], home / "work", 20.0, capture=True))
    assert done.exit_code == 1
    assert "No such file or directory" in done.tail


@pytest.mark.usefixtures("confined")
def test_no_command_looks_into_the_pipelines_environment_or_memory(home: Path) -> None:
    for name in ("environ", "mem", "fd/0"):
        done = tried(home, f"cat /proc/{os.getpid()}/{name}")
        assert "Permission denied" in done.tail
    attach = f"""import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.ptrace(16, {os.getpid()}, None, None), ctypes.get_errno())"""
    traced = run(Command([sys.executable, "-c", attach], home / "work", 20.0, capture=True))
    assert traced.stdout == b"-1 1\n"


@pytest.mark.usefixtures("confined")
def test_a_command_writes_where_it_works_and_nowhere_else(home: Path) -> None:
    places = {
        "work/of-a-test": True,
        "work/trees/changed": False,
        "work/packages/changed": False,
        "work/releases/changed": False,
        "cluster/images/changed": False,
        "ledger.db": False,
        "evidence": False,
    }
    for name, may in places.items():
        assert (tried(home, f"echo changed > {home}/{name}").exit_code == 0) is may, name
    own_code = Path(_confinement.__file__)
    assert tried(home, f"echo '# changed' >> {own_code}").exit_code != 0
    assert (home / "ledger.db").read_text() == _SECRET
    assert not (home / "evidence").exists()


@pytest.mark.usefixtures("confined")
def test_who_builds_writes_to_packages_and_links_between_them_and_reads_no_key(home: Path) -> None:
    script = f"cd {home}/work && echo a > packages/a && ln packages/a releases/a && cat releases/a"
    done = run(Command(["sh", "-c", script], home / "work", 20.0, capture=True, writes=_confinement.PACKAGES))
    assert (done.exit_code, done.stdout) == (0, b"a\n")
    for words in (f"cat {home}/signer/key", f"touch {home}/work/trees/a", f"touch {home}/cluster/images/a"):
        done = run(Command(["sh", "-c", words], home / "work", 20.0, capture=True, writes=_confinement.PACKAGES))
        assert (done.exit_code, done.stdout) == (1, b""), words
    assert tried(home, "echo b > packages/a").exit_code != 0


@pytest.mark.usefixtures("confined")
def test_a_replica_is_kept_away_as_well(home: Path) -> None:
    folder, log = home / "cluster" / "scratch" / "replica", home / "replica.log"
    processes = Processes("of-this-test")
    words = ["sh", "-c", f"pwd; touch {home}/cluster/images/byte-code; cat {home}/signer/key {home}/ledger.db"]

    handle = processes.start(Daemon(words, folder, {}, log, confined=True))

    assert asyncio.run(processes.wait(handle)) == 1
    assert log.read_text().startswith(f"{folder}\n")
    assert (home / "cluster" / "images" / "byte-code").exists()
    assert _SECRET not in log.read_text()


@pytest.mark.usefixtures("confined")
def test_a_confined_command_ends_as_any_other(home: Path) -> None:
    assert tried(home, "pwd").stdout.decode().strip() == str(home / "work")
    assert tried(home, "exit 7").exit_code == 7
    slow = run(Command(["sh", "-c", "sleep 60 & sleep 60"], home / "work", 0.3, capture=True))
    assert slow.timed_out
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        run(Command(["no-such-program"], home / "work", 5.0))


@pytest.mark.usefixtures("confined")
def test_a_home_that_was_made_anew_is_covered_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    confinement = Confinement(home)
    first = confinement.entrance()
    home.rename(tmp_path / "old")
    second = confinement.entrance()
    assert first != second
    assert confinement.entrance() == second


def test_every_way_to_a_disk_is_known_by_its_name() -> None:
    is_disk = _confinement._RAW_DISKS.fullmatch  # pyright: ignore[reportPrivateUsage]
    known = ("sg0", "nvme0", "nvme0n1p1", "ng0n1", "st0", "bsg/0:0:0:0", "mapper/control", "raw/raw1")
    assert all(is_disk(f"/dev/{name}") for name in known)
    assert not any(is_disk(f"/dev/{name}") for name in ("null", "stdin", "sgx_enclave", "tty1"))


def test_where_it_is_not_possible_that_is_told_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Confinement(tmp_path, OFF).state() == NotConfined("SHOPKART_CONFINEMENT is off")
    monkeypatch.setenv("PATH", str(tmp_path))
    told = Confinement(tmp_path, AUTO)
    assert told.state() == NotConfined("nsenter (util-linux) is not installed")
    assert told.check() is None
    with pytest.raises(ToolUnavailable, match="can't be confined here: nsenter"):
        Confinement(tmp_path, REQUIRED).check()
