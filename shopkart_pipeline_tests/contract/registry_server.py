"""A real OCI registry (Debian's `docker-registry`) as a child of the tests."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from shopkart_pipeline_tests.contract.loopback_servers import running_server

PROGRAM = shutil.which("docker-registry")
_CONFIGURATION = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}/storage}}
http:
  addr: 127.0.0.1:{port}
"""
_AUTHENTICATION = """\
auth:
  htpasswd: {{realm: tests, path: {folder}/users}}
"""


@contextlib.contextmanager
def running_registry(folder: Path, *, users: str = "") -> Iterator[str]:
    """Run a registry that stores below `folder`; gives its address.

    Args:
        folder: made where it is missing.
        users: lines `user:hash` (bcrypt) of those who may use it; empty: everybody.
    """
    assert PROGRAM is not None
    program = PROGRAM
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "users").write_text(users, encoding="ascii")
    text = _CONFIGURATION + (_AUTHENTICATION if users else "")

    def command(port: int) -> Sequence[str]:
        configuration = folder / "registry.yml"
        configuration.write_text(text.format(folder=folder, port=port), encoding="utf-8")
        return [program, "serve", str(configuration)]

    with running_server(command, folder) as address:
        yield address
