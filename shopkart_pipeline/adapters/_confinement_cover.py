"""Makes the mount namespace that confined commands run in; a program of its own, which `_confinement` starts.

It runs alone, because namespaces of users are made by processes of one thread only, and without anything of ours on
its import path, because it has to start fast. Standard input is a plan as JSON; when all is made, it says `ready`, with
the number of its open file that is the first namespace of mounts where it is privileged, and waits, so that whoever
started it can take hold of the namespaces, until its standard input ends.

Order: a namespace of mounts (in one of users, where we are not privileged), the mounts, and inside of that a second
pair. What is mounted in the first is locked in the second, whatever privileges somebody has there (mount_namespaces(7),
"Restrictions on mount namespaces"); and nobody inside may look into a process outside of it (ptrace(2)).
"""

import ctypes
import json
import os
import sys
from typing import Any

_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000
_READ_ONLY_FLAG, _BIND, _RECURSIVE, _PRIVATE = 1, 4096, 16384, 1 << 18
_NO_SUID, _NO_DEVICES, _NO_EXECUTION = 2, 4, 8
_MOUNT_SETATTR = 442
"""The same number on every architecture (syscalls(2): numbers above 424 are)."""
_AT_RECURSIVE, _AT_HERE = 0x8000, -100
_EPERM = 1

_libc = ctypes.CDLL(None, use_errno=True)


class _Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "users")]


def _checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _unshare(flags: int, what: str) -> None:
    _checked(_libc.unshare(flags), what)


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), data and data.encode()), f"mounting over {target}")


def _read_only(path: str, *, read_only: bool, recursive: bool = False) -> None:
    wanted = _Attributes(set=int(read_only), clear=int(not read_only))
    flags = _AT_RECURSIVE if recursive else 0
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    result = _libc.syscall(_MOUNT_SETATTR, _AT_HERE, os.fsencode(path), flags, ctypes.byref(wanted), size)
    if result != 0 and not read_only and ctypes.get_errno() == _EPERM:
        return  # It was read-only outside already, and stays so.
    _checked(result, f"making {path} {'read-only' if read_only else 'writable'}")


def _identity(privileged: bool, kind: str) -> str:
    """Everybody is who he is: all that are known here, or the one who runs this."""
    if not privileged:
        own = os.geteuid() if kind == "uid" else os.getegid()
        return f"{own} {own} 1"
    with open(f"/proc/self/{kind}_map") as stream:
        rows = [line.split() for line in stream]
    return "\n".join(f"{inside} {inside} {count}" for inside, _, count in rows)


def _write_maps(process: str, privileged: bool) -> None:
    if not privileged:
        _write(f"/proc/{process}/setgroups", "deny")
    for kind in ("uid", "gid"):
        _write(f"/proc/{process}/{kind}_map", _identity(privileged, kind))


def _write(path: str, text: str) -> None:
    with open(path, "w") as stream:
        stream.write(text)


def _enter_outer() -> bool:
    """The namespace that the mounts are made in; returns whether we are privileged without one of users."""
    if _libc.unshare(_NEW_MOUNTS) == 0:
        return True
    uid, gid = os.geteuid(), os.getegid()
    _unshare(_NEW_USERS | _NEW_MOUNTS, "a user namespace")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")
    return False


def _enter_inner(privileged: bool) -> None:
    """The namespace that commands get. Its map is written by a process that stays outside, as the kernel wants it."""
    go, parent = os.pipe(), str(os.getpid())
    writer = os.fork()
    if writer == 0:
        os.close(go[1])
        code = 1
        try:
            if os.read(go[0], 1):
                _write_maps(parent, privileged)
                code = 0
        finally:
            os._exit(code)
    os.close(go[0])
    _unshare(_NEW_USERS | _NEW_MOUNTS, "a second user namespace")
    os.write(go[1], b"g")
    os.close(go[1])
    _, status = os.waitpid(writer, 0)
    if status != 0:
        raise OSError(_EPERM, "the map of users could not be written")


def _cover(plan: dict[str, Any]) -> None:
    """Everything read-only but what is writable; the home empty but for what is open; what is hidden, away."""
    _mount("none", "/", None, _RECURSIVE | _PRIVATE)
    opened = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in plan["open"]}
    for path in plan["writable"]:
        _mount(path, path, None, _BIND | _RECURSIVE)
    for path in plan["frozen"]:
        _mount(path, path, None, _BIND)
    _mount("covered", plan["home"], "tmpfs", _NO_SUID | _NO_DEVICES | _NO_EXECUTION, "mode=0755,size=64k")
    for path, descriptor in opened.items():
        os.makedirs(path, exist_ok=True)
        _mount(f"/proc/self/fd/{descriptor}", path, None, _BIND)
    for path in plan["hidden"]:
        if os.path.isdir(path):
            _mount("covered", path, "tmpfs", _NO_SUID | _NO_DEVICES | _NO_EXECUTION, "mode=0755,size=4k")
        else:
            _mount("/dev/null", path, None, _BIND)
    _read_only("/", read_only=True, recursive=True)
    for path in [*plan["writable"], *(path for path, writes in plan["open"].items() if writes)]:
        _read_only(path, read_only=False)


def main() -> None:
    plan = json.loads(sys.stdin.readline())
    try:
        privileged = _enter_outer()
        _cover(plan)
        outer = os.open("/proc/self/ns/mnt", os.O_RDONLY)
        _enter_inner(privileged)
    except OSError as error:
        print(f"refused {error.strerror}", flush=True)
        return
    print("ready", outer if privileged else "", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
