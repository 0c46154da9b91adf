"""The files inside an image."""

from abc import ABC, abstractmethod
from pathlib import Path


class ImageFiles(ABC):
    """Reads image layouts."""

    @abstractmethod
    def unpack(self, layout: Path, destination: Path) -> None:
        """Write the image's file system to `destination`, complete or not at all. An image whose files would leave
        the destination raises `UntrustedInput`."""
