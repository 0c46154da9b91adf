"""The load balancer: Traefik, told what to do by a file, believed only when it confirms.

Traefik is replaced by nothing here: this module writes its configuration, asks its interface which revision is in
force, and lets others wait until a route is as they need it. Order: a replica is ready before it is routed to, and it
is told to stop only after the route without it is confirmed.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shopkart_pipeline.adapters._process import find_executable
from shopkart_pipeline.adapters.local_cluster.documents import Codec, replace_file
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.loopback import LoopbackClient
from shopkart_pipeline.adapters.local_cluster.ports import HOST, Ports
from shopkart_pipeline.adapters.local_cluster.processes import Daemon
from shopkart_pipeline.adapters.local_cluster.routes import (
    OWN_PORT,
    Route,
    dynamic_configuration,
    revision_name,
    static_configuration,
)
from shopkart_pipeline.adapters.local_cluster.servers import Server
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable

_ENTRIES = tuple(f"entry-{number:02}" for number in range(1, 33))
_ASK_TIMEOUT_SECONDS = 1.0
_SETTLE_SECONDS = 0.05
"""Traefik switches its entry points one after the other, its interface among them, and a request may just have been
given to a replica of the old route. Both take microseconds."""
_WRITE_AGAIN_SECONDS = 2.0


@dataclass(frozen=True)
class EntryBook:
    """Name of the entry point by name of the route; an entry point is never given to another route."""

    entries: Mapping[str, str] = field(default_factory=dict[str, str])


BOOK = Codec(EntryBook)


class Balancer(Server):
    """Traefik for one home.

    Args:
        changed: is called whenever `applied` does.
    """

    name = "balancer"

    def __init__(self, folders: Folders, ports: Ports, changed: Callable[[], None]) -> None:
        self._ports = ports
        self._changed = changed
        self._static = folders.balancer / "traefik.yaml"
        self._dynamic = folders.balancer / "routes.yaml"
        self._log = folders.server_log(self.name)
        self._book_path = folders.balancer / "entries.json"
        self._book = BOOK.read(self._book_path) or EntryBook()
        self._wanted: Mapping[str, Route] | None = None
        self._revision = _last_revision(self._dynamic)
        self._confirmed_revision = 0
        self._new = asyncio.Event()
        self._confirmed = asyncio.Condition()
        self.applied: Mapping[str, Route] | None = None
        """The routes as Traefik has confirmed them last; None until it has."""

    def entry_of(self, route: str) -> str:
        """The entry point of a route.

        Raises:
            Refused: all are taken.
        """
        if route not in self._book.entries:
            free = [name for name in _ENTRIES if name not in self._book.entries.values()]
            if not free:
                raise Refused(f"no capacity: all {len(_ENTRIES)} entry points are taken.", "Use another home.")
            self._book = EntryBook({**self._book.entries, route: free[0]})
            BOOK.write(self._book_path, self._book, durable=True)
        return self._book.entries[route]

    def url_of(self, route: str) -> str:
        """The address of a route, an origin without a path; raises `Refused` as `entry_of` does."""
        entry = self.entry_of(route)
        return f"http://{HOST}:{self._ports.of(entry) or self._ports.keep(entry)}"

    def address_of(self, route: str) -> str:
        """The address of a route, or nothing where it has none yet."""
        return self.url_of(route) if route in self._book.entries else ""

    @property
    def own_port(self) -> int:
        return self._ports.of(OWN_PORT) or self._ports.keep(OWN_PORT)

    async def prepare(self) -> Daemon:
        """Give every entry point its port, write both configurations, and name the program."""
        program = find_executable("traefik", Path(sys.executable).parent)
        if program is None:
            raise ToolUnavailable("The load balancer traefik is not installed.", "Install what requirements.lock pins.")
        entries = dict(self._ports.keep_all((OWN_PORT, *_ENTRIES)))
        own_port = entries.pop(OWN_PORT)
        replace_file(self._static, static_configuration(entries, own_port, self._dynamic))
        self._write()
        return Daemon((program, f"--configFile={self._static}"), self._static.parent, {}, self._log)

    async def is_ready(self) -> bool:
        """Whether it answers; which routes it has is another question."""
        return await self._answers(LoopbackClient(self.own_port), "/api/version")

    def want(self, routes: Mapping[str, Route]) -> None:
        """Ask for these routes; returns at once."""
        if routes != self._wanted:
            self._wanted = routes
            self._write()

    def _write(self) -> None:
        self._revision += 1
        replace_file(self._dynamic, dynamic_configuration(self._revision, self._wanted or {}))
        self._new.set()

    async def follow(self) -> None:
        """Find out when what was asked for is in force, until this task is cancelled."""
        while True:
            await self._new.wait()
            self._new.clear()
            wanted, revision = self._wanted or {}, self._revision
            if not await self._wait_for(revision):
                continue
            await asyncio.sleep(_SETTLE_SECONDS)
            async with self._confirmed:
                self.applied, self._confirmed_revision = wanted, revision
                self._confirmed.notify_all()
            self._changed()

    async def _wait_for(self, revision: int) -> bool:
        """True once that revision is in force; False when a newer one is asked for."""
        loop, client = asyncio.get_running_loop(), LoopbackClient(self.own_port)
        written = loop.time()
        while revision == self._revision:
            if await self._answers(client, f"/api/http/middlewares/{revision_name(revision)}@file"):
                client.close()
                return True
            if loop.time() - written > _WRITE_AGAIN_SECONDS:
                # It was not listening when the file changed; a change of the file tells it again.
                self._write()
            await asyncio.sleep(0.01 if loop.time() - written < 1 else 0.1)
        client.close()
        return False

    async def _answers(self, client: LoopbackClient, path: str) -> bool:
        try:
            return (await client.get(path, _ASK_TIMEOUT_SECONDS)).status == 200
        except (OSError, TimeoutError):
            return False

    async def wait_without(self, port: int) -> None:
        """Wait until no request goes to this port any more.

        What counts is that the newest revision is without it and in force. An older confirmation says nothing: between
        it and now there may have been a revision with this port.
        """
        async with self._confirmed:
            await self._confirmed.wait_for(
                lambda: (
                    self._confirmed_revision == self._revision
                    and not any(route.serves(port) for route in (self._wanted or {}).values())
                )
            )


def _last_revision(path: Path) -> int:
    """The revision that an earlier controller wrote last; revisions only grow."""
    try:
        names = json.loads(path.read_bytes())["http"]["middlewares"]
        return max(int(name.rpartition("-")[2]) for name in names)
    except (OSError, ValueError, KeyError, TypeError):
        return 0
