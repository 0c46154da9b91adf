"""A registry in which all names of repositories begin alike, so that one registry can serve several pipelines."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.ports.registry import Attachment, ImageRegistry, NotScanned, Referrer, RegistryScan


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

    def attach(
        self,
        repository: str,
        subject_digest: str,
        artifact_type: str,
        content: bytes,
        annotations: Mapping[str, str],
    ) -> str:
        return self._registry.attach(self._prefix + repository, subject_digest, artifact_type, content, annotations)

    def attach_all(self, repository: str, subject_digest: str, attachments: Sequence[Attachment]) -> tuple[str, ...]:
        return self._registry.attach_all(self._prefix + repository, subject_digest, attachments)

    def referrers(self, repository: str, subject_digest: str, artifact_type: str | None = None) -> tuple[Referrer, ...]:
        return self._registry.referrers(self._prefix + repository, subject_digest, artifact_type)

    def read_attached(self, repository: str, digest: str) -> bytes:
        return self._registry.read_attached(self._prefix + repository, digest)

    def keep_for_cosign(self, repository: str, subject_digest: str, envelopes: Mapping[bytes, str]) -> None:
        self._registry.keep_for_cosign(self._prefix + repository, subject_digest, envelopes)

    def kept_for_cosign(self, repository: str, subject_digest: str) -> tuple[bytes, ...]:
        return self._registry.kept_for_cosign(self._prefix + repository, subject_digest)

    def scan_findings(self, repository: str, digest: str, deadline: datetime) -> RegistryScan | NotScanned:
        return self._registry.scan_findings(self._prefix + repository, digest, deadline)
