"""Where images are kept: by digest, and never overwritten."""

from abc import ABC, abstractmethod
from pathlib import Path


class ImageRegistry(ABC):
    """An image registry. Raises `ToolUnavailable` where it does not answer."""

    name: str

    @abstractmethod
    def push(self, layout: Path, repository: str, tag: str) -> str:
        """Push the image of an OCI layout and return its digest as the registry confirms it.

        Pushing the same image under the same tag again changes nothing; another image under a used tag raises
        `Conflict`, because tags are immutable."""

    @abstractmethod
    def resolve(self, repository: str, tag: str) -> str | None:
        """The digest that a tag names, or None."""

    @abstractmethod
    def has(self, repository: str, digest: str) -> bool:
        """Whether the registry holds the image completely."""

    @abstractmethod
    def pull(self, repository: str, digest: str, layout: Path) -> None:
        """Write the image as an OCI layout, every blob verified against its digest; raises `NotFound`."""
