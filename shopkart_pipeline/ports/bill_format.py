"""The format in which bills of materials are written down and read again."""

from abc import ABC, abstractmethod

from shopkart_pipeline.domain.component import BillOfMaterials, PackageVersion


class BillFormat(ABC):
    """Equal bills give equal bytes."""

    @abstractmethod
    def write(self, bill: BillOfMaterials) -> bytes:
        """The bill as a document."""

    @abstractmethod
    def packages(self, content: bytes) -> tuple[PackageVersion, ...]:
        """The packages that a document says are installed, sorted; raises `UntrustedInput` for what is no such
        document."""
