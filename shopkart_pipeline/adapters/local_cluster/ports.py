"""Which ports of the loopback interface belong to whom, kept for good so that addresses stay.

All come from below the range that systems take for outgoing connections. A port counts as free if it can be bound
now; somebody may still be faster, and then the server that was meant to have it fails to start and gets another one.
"""

import socket
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shopkart_pipeline.adapters.local_cluster.documents import Codec
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.domain.errors import Refused

HOST = "127.0.0.1"
_FIRST, _LAST = 20_000, 29_999


@dataclass(frozen=True)
class PortBook:
    """Port by name of its owner."""

    ports: Mapping[str, int] = field(default_factory=dict[str, int])


BOOK = Codec(PortBook)


class Ports:
    """The ports of one home. Only its controller gives any away."""

    def __init__(self, folders: Folders) -> None:
        self._path = folders.ports
        self._book = BOOK.read(self._path) or PortBook()
        self._start = zlib.crc32(str(folders.root).encode()) % (_LAST - _FIRST)
        self._lent: set[int] = set()

    def keep(self, name: str) -> int:
        """The port of that name: the same as ever, unless somebody else sits on it now."""
        return self.keep_all((name,))[name]

    def keep_all(self, names: Iterable[str]) -> Mapping[str, int]:
        """The ports of these names."""
        kept: dict[str, int] = {}
        for name in names:
            port = self._book.ports.get(name)
            kept[name] = port if port is not None and is_free(port) else self._unused()
        book = PortBook({**self._book.ports, **kept})
        if book != self._book:
            self._book = book
            BOOK.write(self._path, book, durable=True)
        return kept

    def of(self, name: str) -> int | None:
        """The port of that name, without a look at who sits on it."""
        return self._book.ports.get(name)

    def lend(self) -> int:
        """A port until `give_back`."""
        port = self._unused()
        self._lent.add(port)
        return port

    def lent(self, port: int) -> None:
        """Take note of a port that was lent by an earlier controller."""
        self._lent.add(port)

    def give_back(self, port: int) -> None:
        self._lent.discard(port)

    def _unused(self) -> int:
        taken = self._lent | set(self._book.ports.values())
        span = _LAST - _FIRST + 1
        for step in range(span):
            port = _FIRST + (self._start + step) % span
            if port not in taken and is_free(port):
                self._start += step + 1
                return port
        raise Refused("no capacity: no port of the local cluster's range is free.", "Stop what is not needed.")


def ports_of(folders: Folders) -> Mapping[str, int]:
    """Port by name, as the controller noted them."""
    return (BOOK.read(folders.ports) or PortBook()).ports


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
