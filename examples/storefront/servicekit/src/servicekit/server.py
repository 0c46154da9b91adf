"""Listens, and leaves without dropping a request.

The drain after SIGTERM, in this order:

1. Readiness is false at once. Requests that still come are answered, each with `Connection: close`, so that
   clients and load balancers move their connections elsewhere by themselves.
2. When no customer's request was seen for `QUIET_SECONDS`, or half of the drain time is over, the process
   stops listening. Connections that the system has already accepted for us are taken over first.
3. Running requests end. A connection that is idle is closed, unless bytes of a request wait in it or it is so
   new that its first request may still be on its way (`FIRST_REQUEST_SECONDS`).
4. Exit code 0, at the latest when the drain time is over.

A load balancer must have stopped sending before step 2; where its news travels slowly, a pause before SIGTERM
(such as a preStop hook) gives it the time.
"""

import asyncio
import contextlib
import logging
import select
import signal
import socket
import time
from collections.abc import Callable, Generator
from typing import Protocol, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from servicekit.logs import with_fields
from servicekit.settings import ServiceSettings
from servicekit.shell import Shell

QUIET_SECONDS = 0.5
FIRST_REQUEST_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 120
"""Longer than the idle time of the load balancers in front (60 and 90 s), so that they close first."""
_BACKLOG = 2048
_POLL_SECONDS = 0.05
_RESERVE_SECONDS = 0.75
"""Kept of the drain time for closing connections to data stores and for the interpreter's own end."""

_logger = logging.getLogger(__name__)


def serve(shell: Shell, settings: ServiceSettings) -> int:
    """Runs a service until it is told to stop.

    Returns:
        The exit code of the process: 0 after a drain, 3 where the service could not start.
    """
    config = uvicorn.Config(
        shell,
        loop="asyncio",
        http=HttpToolsProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        backlog=_BACKLOG,
    )
    listener = _listen(settings)
    server = _DrainingServer(config, shell, settings.drain_seconds, listener)
    _logger.info("listening", extra=with_fields(host=settings.host, port=listener.getsockname()[1]))
    server.run(sockets=[listener])
    return 0 if server.started else 3


def _listen(settings: ServiceSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # The protocol is named because asyncio switches Nagle's algorithm off only where it is; with it on, an
    # answer whose body follows its head waits for the client's delayed acknowledgement, some 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port))
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    return listener


class _Connection(Protocol):
    """What the drain looks at in a connection of `HttpToolsProtocol`."""

    transport: asyncio.Transport
    cycle: RequestResponseCycle | None
    """The latest request; None before the first."""


class _DrainingServer(uvicorn.Server):
    """uvicorn's server with the drain above in place of its immediate end."""

    def __init__(
        self, config: uvicorn.Config, shell: Shell, drain_seconds: float, listener: socket.socket
    ) -> None:
        super().__init__(config)
        self._shell = shell
        self._drain_seconds = drain_seconds
        self._listener = listener
        self._deadline_seconds = 0.0
        self._drain_task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Takes SIGTERM and SIGINT as the wish to drain; a drained process ends with 0, not by the signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._begin_drain)
        yield

    def _begin_drain(self) -> None:
        if self._drain_task is not None:
            return
        self._shell.lifecycle.draining = True
        self._deadline_seconds = time.monotonic() + self._drain_seconds - _RESERVE_SECONDS
        _logger.info("draining", extra=with_fields(drain_seconds=self._drain_seconds))
        self._drain_task = asyncio.get_running_loop().create_task(self._leave_when_quiet())

    async def _leave_when_quiet(self) -> None:
        traffic = self._shell.traffic
        began = time.monotonic()
        latest = began + self._drain_seconds / 2
        while (now := time.monotonic()) < latest:
            quiet_seconds = now - max(traffic.last_seen_seconds, began)
            if traffic.in_flight == 0 and quiet_seconds >= QUIET_SECONDS:
                break
            await asyncio.sleep(_POLL_SECONDS)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.gather(*self._stop_listening())
        await self._close_what_is_idle()
        remaining_seconds = max(0.1, self._deadline_seconds - time.monotonic())
        self.config.timeout_graceful_shutdown = remaining_seconds  # pyright: ignore[reportAttributeAccessIssue]
        await super().shutdown(sockets)
        _logger.info("drained", extra=with_fields(requests=self.server_state.total_requests))

    def _stop_listening(self) -> list["asyncio.Task[object]"]:
        """Closes the listener in one step of the loop, after accepting what the system holds for it.

        A connection left in the system's queue would be reset, and with it a request that its client has
        sent.
        """
        loop = asyncio.get_running_loop()
        waiting: list[socket.socket] = []
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            while True:
                waiting.append(self._listener.accept()[0])
        for server in self.servers:
            server.close()
        for connection in waiting:
            connection.setblocking(False)
        return [loop.create_task(loop.connect_accepted_socket(self._protocol, one)) for one in waiting]

    async def _close_what_is_idle(self) -> None:
        """Returns when every connection has ended, or at the deadline of the drain."""
        first_requests_until = time.monotonic() + FIRST_REQUEST_SECONDS
        while self.server_state.connections and time.monotonic() < self._deadline_seconds:
            for connection in cast("list[_Connection]", list(self.server_state.connections)):
                is_new = connection.cycle is None and time.monotonic() < first_requests_until
                is_busy = connection.cycle is not None and not connection.cycle.response_complete
                if not (is_new or is_busy or _has_input(connection.transport)):
                    connection.transport.close()
            await asyncio.sleep(_POLL_SECONDS)

    def _protocol(self) -> asyncio.Protocol:
        create = cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class)
        return create(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def _has_input(transport: asyncio.Transport) -> bool:
    """Whether the system holds bytes of the connection that the loop has not read yet."""
    if transport.is_closing():
        return False
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))
