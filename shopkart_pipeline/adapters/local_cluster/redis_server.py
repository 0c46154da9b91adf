"""Redis for one environment.

It keeps an append-only file rather than snapshots: what a client was told is stored survives the end of the process
at once, and the end of the machine but for its last second.
"""

import asyncio
import sys
from pathlib import Path

from shopkart_pipeline.adapters._process import find_executable
from shopkart_pipeline.adapters.local_cluster.addresses import password_of, redis_name
from shopkart_pipeline.adapters.local_cluster.documents import replace_file
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.ports import HOST, Ports
from shopkart_pipeline.adapters.local_cluster.processes import Daemon
from shopkart_pipeline.adapters.local_cluster.servers import Server
from shopkart_pipeline.domain.errors import ToolUnavailable

_ASK_TIMEOUT_SECONDS = 1.0


class RedisServer(Server):
    """The Redis of one environment; its files are below the environment's data."""

    def __init__(self, folders: Folders, environment: str, ports: Ports) -> None:
        self.name = redis_name(environment)
        self._folder = folders.data_of(environment) / "redis"
        self._log = folders.server_log(self.name)
        self._ports = ports
        self._password = password_of(folders, self.name)

    async def prepare(self) -> Daemon:
        program = find_executable("redis-server", Path(sys.executable).parent)
        if program is None:
            raise ToolUnavailable("redis-server is not installed.", "Install what requirements.lock pins.")
        lines = (
            f"bind {HOST}",
            f"port {self._ports.keep(self.name)}",
            f"requirepass {self._password}",
            f"dir {self._folder}",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            # A title would overwrite the environment, by which left-over processes are known.
            "set-proc-title no",
        )
        configuration = self._folder / "redis.conf"
        replace_file(configuration, "\n".join((*lines, "")).encode())
        return Daemon((program, str(configuration)), self._folder, {}, self._log)

    async def is_ready(self) -> bool:
        port = self._ports.of(self.name)
        if port is None:
            return False
        try:
            async with asyncio.timeout(_ASK_TIMEOUT_SECONDS):
                reader, writer = await asyncio.open_connection(HOST, port)
                try:
                    writer.write(f"AUTH {self._password}\r\nPING\r\n".encode())
                    return [await reader.readline() for _ in range(2)] == [b"+OK\r\n", b"+PONG\r\n"]
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False
