"""What keeps commands of the project's code away from what the pipeline keeps for itself.

They run as the same user as the pipeline, so modes of files don't help. Each is started in namespaces of mounts and
users (namespaces(7)) in which everything is read-only but temporary folders, the pipeline's home is empty but for what
commands work on, and sockets of container engines and disks are away: no signer's key, token or socket, no secret, no
key of a person, no ledger and no evidence is there to be reached. What covers them can't be taken off, and nobody
inside can look into a process outside, whoever he is there (`_confinement_cover`).

The namespaces are made once for a home, when the first command starts, and held open; a command enters them by
`nsenter` (util-linux) and is that very process afterwards, so it is waited for, stopped and killed as any other.

Some systems forbid this to programs without privileges (the default profile of Docker, AppArmor on Ubuntu 24.04).
There commands run unconfined, which `confinement` tells for the evidence; or, where confinement is required, not at
all.
"""

import contextlib
import glob
import json
import os
import re
import select
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.ports.confinement import Confined, NotConfined

AUTO, REQUIRED, OFF = "auto", "required", "off"
MODES = (AUTO, REQUIRED, OFF)
PACKAGES = ("work/packages", "work/releases")
"""What images are made of: who installs and builds may write there, and no test, or one would decide what is in the
images of others."""
IMAGES = ("cluster/images",)
"""What replicas run; they add byte code to it."""
OPEN = {
    "work": True,
    "work/trees": False,
    **dict.fromkeys((*PACKAGES, *IMAGES), False),
    "cache/trivy": True,
    "cache/sonarqube": True,
    "cache/buildah": True,
    "cluster/scratch": True,
    "mirrors": False,
}
"""What of the home commands find, and whether they may write there if nothing else is said."""
_WRITABLE = ("/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/tmp", "/var/tmp")  # noqa: S108
_BUILDAHS = Path("/run/libpod")
"""Where buildah keeps locks, whatever it is told."""
_FROZEN = ("/proc/sys", "/proc/sysrq-trigger")
_DOORS = (
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    *("/run/dbus", "/run/systemd/private", "/run/user", "/run/screen", "/tmp/.X11-unix"),  # noqa: S108
    *("/tmp/tmux-*", "/tmp/ssh-*"),  # noqa: S108
)
"""Whoever reaches one of these can have something started outside of every namespace, or use somebody's keys."""
_OF_PEOPLE = (
    *("~/.ssh", "~/.gnupg", "~/.aws", "~/.azure", "~/.config/gcloud", "~/.config/gh", "~/.kube", "~/.docker"),
    *("~/.netrc", "~/.git-credentials", "~/.pgpass", "~/.npmrc", "~/.pypirc", "/var/run/secrets"),
)
"""Where people, and clusters for their pods, keep what they introduce themselves with."""
_OF_THE_MACHINE = ("/etc/ssh/ssh_host_*_key", "/etc/kubernetes", "/etc/rancher", "/var/lib/kubelet")
"""What the machine introduces itself with; modes keep others than root from it."""
_RAW_DISKS = re.compile(r"/dev/((sg|ng|nvme|st|nst)[0-9][^/]*|(bsg|raw)/.+|mapper/control)")
"""Devices that are no block devices, and read disks all the same."""
_HOW = "commands run in namespaces of mounts and users of their own, without the pipeline's home"
_COVER = Path(__file__).with_name("_confinement_cover.py")
_START_SECONDS = 20.0


@dataclass(frozen=True)
class Entrance:
    """How a command gets into the namespaces."""

    program: str
    users: int
    mounts: int
    outer_mounts: int | None
    """The namespace that the covers were made in, where that was done with the privileges of this process."""
    covered: tuple[tuple[int, int], ...]
    """Which folders were there when the namespaces were made: others in their place would not be covered."""

    def descriptors(self, *, privileged: bool) -> tuple[int, ...]:
        """The open files that the command needs on its way in."""
        if privileged and self.outer_mounts is not None:
            return (self.outer_mounts,)
        return (self.users, self.mounts)

    def arguments(self, arguments: Sequence[str], cwd: Path, *, privileged: bool) -> list[str]:
        """The command behind the door. Its folder is looked up inside: one from outside would lead out again.

        With privileges it finds the same covers; it is trusted not to take them off.
        """
        words = (f"--user=/proc/self/fd/{self.users}", f"--mount=/proc/self/fd/{self.mounts}")
        if privileged and self.outer_mounts is not None:
            words = (f"--mount=/proc/self/fd/{self.outer_mounts}",)
        return [self.program, *words, "--preserve-credentials", f"--wdns={cwd.absolute()}", "--", *arguments]


class Confinement:
    """The namespaces of one home, made when they are needed."""

    def __init__(self, home: Path, mode: str = AUTO, secrets: Sequence[Path] = ()) -> None:
        """
        Args:
            home: the pipeline's home.
            mode: one of `MODES`.
            secrets: files and folders outside of the home that commands don't find.
        """
        self.home, self.mode, self.secrets = home.absolute(), mode, tuple(secrets)
        self._lock = threading.Lock()
        self._found: dict[tuple[str, ...], Entrance | NotConfined] = {}

    def is_as(self, other: "Confinement") -> bool:
        """Whether it keeps commands from the same."""
        return (self.home, self.mode, self.secrets) == (other.home, other.mode, other.secrets)

    def state(self) -> Confined | NotConfined:
        """Whether commands are confined here, and if not, why."""
        entrance = self.entrance()
        return Confined(_HOW) if isinstance(entrance, Entrance) else entrance

    def entrance(self, writes: tuple[str, ...] = ()) -> Entrance | NotConfined:
        """The way in, made if there is none yet; to where what is named may be written, too."""
        if self.mode == OFF:
            return NotConfined("SHOPKART_CONFINEMENT is off")
        with self._lock:
            found = self._found.get(writes)
            if found is None or (isinstance(found, Entrance) and found.covered != _identities(self.home)):
                found = self._found[writes] = self._made(writes)
            return found

    def _made(self, writes: tuple[str, ...]) -> Entrance | NotConfined:
        program = shutil.which("nsenter")
        if program is None:
            return NotConfined("nsenter (util-linux) is not installed")
        try:
            for name in OPEN:
                (self.home / name).mkdir(parents=True, exist_ok=True)
            return _enter(program, _plan(self.home, self.secrets, writes), _identities(self.home))
        except OSError as error:
            return NotConfined(f"this system does not allow it: {error.strerror or type(error).__name__}")

    def check(self, writes: tuple[str, ...] = ()) -> Entrance | None:
        """The way in for one command; None: it runs as it is. Raises `ToolUnavailable` where that may not be."""
        entrance = self.entrance(writes)
        if isinstance(entrance, Entrance):
            return entrance
        if self.mode == REQUIRED:
            raise ToolUnavailable(
                f"Commands can't be confined here: {entrance.reason}.",
                "Allow user namespaces, or run with SHOPKART_CONFINEMENT=auto, which is told in the evidence.",
            )
        return None


_current: Confinement | None = None


def confine(home: Path, mode: str = AUTO, secrets: Sequence[Path] = ()) -> None:
    """From now on commands of this process are kept away from that home and those files. Makes nothing yet."""
    global _current
    wanted = Confinement(home, mode, secrets)
    if _current is None or not _current.is_as(wanted):
        _current = wanted


def confinement() -> Confined | NotConfined:
    """Whether commands of the project's code are confined in this process; the evidence says so."""
    return NotConfined("no home is known") if _current is None else _current.state()


def entrance(writes: tuple[str, ...] = ()) -> Entrance | None:
    """How the next command gets in, which may write to `writes` as well; None: it runs as it is."""
    return None if _current is None else _current.check(writes)


def private_folder() -> Path | None:
    """Where this process keeps files for a while that no command may find or change; None: where all others do."""
    if _current is None:
        return None
    folder = _current.home / "private"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def words_of(arguments: Sequence[str], cwd: Path, inside: Entrance | None, *, privileged: bool = False) -> list[str]:
    """What to start: the command itself, or the command behind the door."""
    return list(arguments) if inside is None else inside.arguments(arguments, cwd, privileged=privileged)


def _plan(home: Path, secrets: Sequence[Path], writes: Sequence[str]) -> dict[str, Any]:
    if os.geteuid() == 0 and shutil.which("buildah"):
        _BUILDAHS.mkdir(mode=0o700, exist_ok=True)
    temporary = [os.path.realpath(path) for path in (*_WRITABLE, str(_BUILDAHS), os.environ.get("TMPDIR", "/tmp"))]  # noqa: S108
    doors = [each for pattern in (*_DOORS, *_OF_THE_MACHINE) for each in glob.glob(pattern)]
    away = [path for each in (*doors, *_of_people(), *map(str, secrets)) if (path := _there(each))]
    return {
        "home": os.path.realpath(home),
        "open": {os.path.realpath(home / name): may_write for name, may_write in _opened(writes).items()},
        "writable": [each for each in dict.fromkeys(temporary) if Path(each).is_dir() and not _inside(each, home)],
        "frozen": [*(path for path in _FROZEN if Path(path).exists()), *_own_code(temporary)],
        "hidden": [*(path for path in dict.fromkeys(away) if not _inside(path, home)), *_disks()],
    }


def _own_code(writable: Sequence[str]) -> list[str]:
    """Where the pipeline's own code is, which the next start would run, as far as commands could write there."""
    places = {os.path.realpath(each) for each in (Path(__file__).parents[2], sys.prefix)}
    return [each for each in sorted(places) if any(Path(each).is_relative_to(path) for path in writable)]


def _opened(writes: Sequence[str]) -> dict[str, bool]:
    """As `OPEN`; what lies in a folder that may be written is no mount of its own, so that links reach across."""
    kept = {name: may_write for name, may_write in OPEN.items() if name not in writes}
    return kept | {name: True for name in writes if not kept.get(name.partition("/")[0], False)}


def _inside(path: str, home: Path) -> bool:
    return Path(path).is_relative_to(os.path.realpath(home))


def _there(path: str) -> str | None:
    found = Path(path).expanduser()
    with contextlib.suppress(OSError):
        return os.path.realpath(found) if found.exists() else None
    return None


def _of_people() -> list[str]:
    """Of whoever runs this, and where that is root, of everybody."""
    homes = ["~", *(("/root", *glob.glob("/home/*")) if os.geteuid() == 0 else ())]
    return [home + path.removeprefix("~") if path.startswith("~") else path for home in homes for path in _OF_PEOPLE]


def _disks() -> list[str]:
    """Devices by which root could read past every file system."""
    found: list[str] = []
    for folder, folders, names in os.walk("/dev"):
        folders[:] = [name for name in folders if f"{folder}/{name}" not in _WRITABLE]
        for path in (f"{folder}/{name}" for name in names):
            with contextlib.suppress(OSError):
                mode = os.lstat(path).st_mode
                if stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and _RAW_DISKS.fullmatch(path)):
                    found.append(path)
    return found


def _identities(home: Path) -> tuple[tuple[int, int], ...]:
    """Empty where one of the folders is away."""
    try:
        found = [os.stat(home / name) for name in (".", *OPEN)]
    except OSError:
        return ()
    return tuple((each.st_dev, each.st_ino) for each in found)


def _enter(program: str, plan: dict[str, Any], covered: tuple[tuple[int, int], ...]) -> Entrance | NotConfined:
    words = [sys.executable, "-I", "-S", str(_COVER)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        if process.stdin is None or process.stdout is None:
            raise OSError("no pipes")
        try:
            process.stdin.write(json.dumps(plan).encode() + b"\n")
            process.stdin.flush()
            poll = select.poll()
            poll.register(process.stdout, select.POLLIN)
            ready = poll.poll(_START_SECONDS * 1000)
            said = process.stdout.readline().decode(errors="replace").strip() if ready else "it takes too long"
            if not said.startswith("ready"):
                reason = said.removeprefix("refused ") or "no word of it"
                return NotConfined(f"this system does not allow it: {reason}")
            users, mounts = (os.open(f"/proc/{process.pid}/ns/{name}", os.O_RDONLY) for name in ("user", "mnt"))
            number = said.removeprefix("ready").strip()
            outer = os.open(f"/proc/{process.pid}/fd/{number}", os.O_RDONLY) if number else None
        finally:
            process.kill()
    return Entrance(program, users, mounts, outer, covered)
