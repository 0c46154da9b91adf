"""The files inside an image."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path


class ImageFiles(ABC):
    """Reads image layouts."""

    @abstractmethod
    def labels(self, layout: Path) -> Mapping[str, str]:
        """What the image says about itself."""

    @abstractmethod
    def first_difference(self, recorded: Path, rebuilt: Path) -> str | None:
        """The first layer and file, or key of the configuration, in which two images differ, in words; None where
        they are the same byte for byte."""
