"""A registry in which all names of repositories begin alike, so that one registry can serve several pipelines."""

from datetime import datetime
from pathlib import Path

from shopkart_pipeline.ports.registry import ImageRegistry, NotScanned, RegistryScan


class PrefixedRegistry(ImageRegistry):
    """Passes everything on.

    Args:
        registry: where the images are.
        prefix: what names of repositories begin with there, such as `shopkart/`.
    """

    def __init__(self, registry: ImageRegistry, prefix: str) -> None:
        self.name = registry.name
        self._registry = registry
        self._prefix = prefix

    def push(self, layout: Path, repository: str, tag: str) -> str:
        return self._registry.push(layout, self._prefix + repository, tag)

    def resolve(self, repository: str, tag: str) -> str | None:
        return self._registry.resolve(self._prefix + repository, tag)

    def has(self, repository: str, digest: str) -> bool:
        return self._registry.has(self._prefix + repository, digest)

    def pull(self, repository: str, digest: str, layout: Path) -> None:
        self._registry.pull(self._prefix + repository, digest, layout)

    def reference(self, repository: str, digest: str) -> str:
        return self._registry.reference(self._prefix + repository, digest)

    def scan_findings(self, repository: str, digest: str, deadline: datetime) -> RegistryScan | NotScanned:
        return self._registry.scan_findings(self._prefix + repository, digest, deadline)
