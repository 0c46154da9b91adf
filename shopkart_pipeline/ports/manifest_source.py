"""Where a team's own manifests come from: the tree of a release, read once, so that they go back with it."""

from abc import ABC, abstractmethod
from pathlib import Path

from shopkart_pipeline.domain.declaration import Environment, Service
from shopkart_pipeline.domain.pod import OwnManifests


class ManifestSource(ABC):
    """Reads a team's own manifests."""

    @abstractmethod
    def read(self, tree: Path, service: Service, environment: Environment) -> OwnManifests | None:
        """The manifests of a service for an environment, or None where it brings none.

        Args:
            tree: root of the repository at the release's commit.
            service: as declared.
            environment: where they go.

        Raises:
            PipelineError: they can't be read, or can't be applied as they are.
        """
