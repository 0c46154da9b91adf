"""The files inside an image."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from shopkart_pipeline.domain.component import ImageContents
from shopkart_pipeline.domain.errors import ToolUnavailable


class ImageFiles(ABC):
    """Reads image layouts."""

    @abstractmethod
    def labels(self, layout: Path) -> Mapping[str, str]:
        """What the image says about itself."""

    @abstractmethod
    def first_difference(self, recorded: Path, rebuilt: Path) -> str | None:
        """The first layer and file, or key of the configuration, in which two images differ, in words; None where
        they are the same byte for byte."""

    def contents(self, layout: Path) -> ImageContents:
        """What the layers say is installed in the image.

        Raises:
            PipelineError: it can't be told, or nothing is said to be installed at all.
        """
        raise ToolUnavailable(f"Nobody here can tell what the image in {layout} holds.", "Use the OCI reader.")
