"""Starts a warm server: `python -m shopkart_pipeline.engine.warm_server_main HOME`; clients do so by themselves.

Ordering: the lock, then the socket, then everything is loaded. So a second server ends at once, and clients that come
while the server loads wait instead of starting another one.
"""

import argparse
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from shopkart_pipeline import masked_output
from shopkart_pipeline.engine import forking, preload
from shopkart_pipeline.engine.connections import Connections, listen
from shopkart_pipeline.engine.file_lock import try_lock
from shopkart_pipeline.engine.warm_client import ServerOptions
from shopkart_pipeline.engine.warm_paths import WarmPaths
from shopkart_pipeline.engine.warm_server import WarmServer
from shopkart_pipeline.engine.watch import Watch

_LOG_FORMAT = "%(asctime)s %(process)d %(message)s"
_MOST_DESCRIPTORS = 4096
_LONGEST_LOG_BYTES = 10_000_000
_logger = logging.getLogger("warm_server")


def main(arguments: Sequence[str]) -> int:
    """Serve one home. Returns the exit code; a home that has a server already is no error."""
    masked_output.install()
    _log_to_standard_error()
    given = _parse(arguments)
    if given.inherited_lock is None:
        os.closerange(3, _MOST_DESCRIPTORS)  # Whatever the starter had open must not stay open for as long as we live.
    paths = WarmPaths(given.home.resolve())
    paths.make()
    lock = try_lock(paths.server_lock) if given.inherited_lock is None else given.inherited_lock
    if lock is None:
        _logger.info("%s has a server already", paths.home)
        return 0
    _shorten(paths.log, paths.calls_log)
    listening = listen(paths) if given.inherited_socket is None else socket.socket(fileno=given.inherited_socket)
    os.set_inheritable(lock, False)
    listening.set_inheritable(False)
    connections = Connections(listening)
    options = _options(given)
    paths.loading.touch()
    loaded = preload.load(paths, options)
    options = preload.with_named_files(options)
    watch = Watch(preload.watched_paths(options), paths.loading)
    server = WarmServer(paths, options, connections, lock, loaded, watch)
    forking.freeze()
    _logger.info("Serving %s with %s: %s", paths.home, options.definitions_module, loaded)
    calls = server.serve(given.call)
    if calls is None:
        server.close()
        return 0
    _replace(paths, options, lock, listening, calls)
    return 0


def _replace(
    paths: WarmPaths, options: ServerOptions, lock: int, listening: socket.socket, calls: Sequence[str]
) -> None:
    """Become a fresh server: the same process, but nothing is loaded yet."""
    _logger.info("The definitions have changed: loading them afresh")
    os.set_inheritable(lock, True)
    listening.set_inheritable(True)
    inherited = [f"--inherited-lock={lock}", f"--inherited-socket={listening.fileno()}"]
    again = [f"--call={target}" for target in calls]
    command = [sys.executable, "-m", "shopkart_pipeline.engine.warm_server_main", str(paths.home)]
    os.execv(sys.executable, [*command, *options.arguments(), *inherited, *again])  # noqa: S606 # No shell is wanted.


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    defaults = ServerOptions()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--definitions-module", default=defaults.definitions_module)
    parser.add_argument("--watch", action="append", default=[])
    parser.add_argument("--max-running-runs", type=int, default=defaults.max_running_runs)
    parser.add_argument("--terminate-grace-seconds", type=int, default=defaults.terminate_grace_seconds)
    parser.add_argument("--idle-timeout-seconds", type=int, default=defaults.idle_timeout_seconds)
    parser.add_argument("--inherited-lock", type=int)
    parser.add_argument("--inherited-socket", type=int)
    parser.add_argument("--call", action="append", default=[])
    return parser.parse_args(arguments)


def _options(given: argparse.Namespace) -> ServerOptions:
    return ServerOptions(
        definitions_module=given.definitions_module,
        watch=tuple(given.watch),
        max_running_runs=given.max_running_runs,
        terminate_grace_seconds=given.terminate_grace_seconds,
        idle_timeout_seconds=given.idle_timeout_seconds,
    )


def _shorten(*logs: Path) -> None:
    """Empty logs that have grown long; whoever has them open goes on writing at their end."""
    for log in logs:
        if log.exists() and log.stat().st_size > _LONGEST_LOG_BYTES:
            os.truncate(log, 0)


def _log_to_standard_error() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_LOG_FORMAT))
    _logger.addHandler(handler)
    _logger.setLevel(logging.INFO)
    _logger.propagate = False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
