"""What a repository waives at a commit."""

from abc import ABC, abstractmethod
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.waiver import Waiver


class WaiverReader(ABC):
    """Reads the waivers of a service from a checked-out tree."""

    @abstractmethod
    def read(self, tree: Path, service: Service, received_at: datetime) -> tuple[Waiver, ...]:
        """The waivers of a service; none where the repository has no such file.

        Args:
            tree: root of the repository at the commit.
            service: whose waivers.
            received_at: when the pipeline heard of the commit; no waiver may reach further than `MAXIMUM_DAYS` from
                then. The commit's own time would be its author's word.

        Raises:
            DeclarationError: a waiver can't be used; with all faults of the file.
        """
