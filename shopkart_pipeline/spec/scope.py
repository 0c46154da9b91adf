"""One service while it is compiled: what it says after merging, and where each thing was said.

A fault in what many services inherit is told once, at `defaults`.
"""

from dataclasses import dataclass

from shopkart_pipeline.spec.faults import Faults, KeyPath
from shopkart_pipeline.spec.models.declaration import ServiceSpec


@dataclass(frozen=True)
class Where:
    """Where a service says things: for itself, or by inheriting them from `defaults`."""

    service: str
    faults: Faults

    def path(self, *keys: str | int) -> KeyPath:
        """Where that was said: in the service if it is there, else in `defaults` if it is there, else as if it were
        said in the service."""
        own, inherited = ("services", self.service, *keys), ("defaults", *keys)
        return inherited if self.faults.has(inherited) and not self.faults.has(own) else own

    def says(self, *keys: str | int) -> bool:
        """Whether the service or `defaults` says that; otherwise it is shipped."""
        return self.faults.has(self.path(*keys))

    def faulty(self, *keys: str | int) -> bool:
        """Whether that is at fault already, so that nothing can be said about what follows from it."""
        return self.faults.covers(self.path(*keys))

    def fault(self, message: str, *keys: str | int) -> None:
        """A fault in something that the service or `defaults` says."""
        self.faults.add_meaning(self.path(*keys), message)

    def missing(self, message: str, *keys: str | int) -> None:
        """Something that neither the service nor `defaults` says, or not enough of it."""
        sources = [("services", self.service, *keys), ("defaults", *keys)]
        self.faults.add_missing(self.path(*keys), message, sources=sources)


@dataclass(frozen=True)
class Scope(Where):
    """One service while it is compiled."""

    spec: ServiceSpec
    """What it says, merged with `defaults` and with what is shipped."""
