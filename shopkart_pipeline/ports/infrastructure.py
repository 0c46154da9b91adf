"""Who compares infrastructure that runs with what is declared for it."""

from abc import ABC, abstractmethod
from pathlib import Path

from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.infrastructure import InfrastructureState


class Infrastructure(ABC):
    """A tool that knows both. Whatever keeps it from a whole answer is `EvidenceMissing`."""

    @abstractmethod
    def compare(self, root: Path) -> InfrastructureState | EvidenceMissing:
        """Look at what the declaration in a folder stands for; nothing is changed, and nothing is locked."""
