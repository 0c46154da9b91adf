"""Where images are kept: by digest, and never overwritten.

A registry may look for vulnerabilities in what it keeps. One that does not, or has not, says so with a reason: nothing
found and nothing looked for are different answers.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.evidence import Finding, RawReport, Tool

ATTACHED_LIMIT_BYTES = 64 << 20
"""Largest content that is attached to an image."""


@dataclass(frozen=True)
class RegistryScan:
    """What a registry's own scanner found in an image."""

    tool: Tool
    """Who scanned; its rules name the advisory data with its date."""
    scanned_at: datetime
    findings: tuple[Finding, ...]
    raw: RawReport
    """What the registry said, as it said it."""


@dataclass(frozen=True)
class NotScanned:
    """Why there is no result of a scan."""

    reason: str


@dataclass(frozen=True)
class Referrer:
    """Something that is kept beside an image, such as a signed statement about it."""

    digest: str
    """Of its manifest."""
    artifact_type: str
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class Attachment:
    """Something that is to be kept beside an image."""

    artifact_type: str
    content: bytes
    annotations: Mapping[str, str]


class ImageRegistry(ABC):
    """An image registry. Raises `ToolUnavailable` where it does not answer."""

    name: str

    @abstractmethod
    def push(self, layout: Path, repository: str, tag: str) -> str:
        """Push the image of an OCI layout and return its digest as the registry confirms it.

        Pushing the same image under the same tag again changes nothing; another image under a used tag raises
        `Conflict`, because tags are immutable. A push that was broken off goes on where it stopped."""

    @abstractmethod
    def resolve(self, repository: str, tag: str) -> str | None:
        """The digest that a tag names, or None."""

    @abstractmethod
    def has(self, repository: str, digest: str) -> bool:
        """Whether the registry holds the image completely."""

    @abstractmethod
    def pull(self, repository: str, digest: str, layout: Path) -> None:
        """Write the image as an OCI layout, every blob verified against its digest; raises `NotFound`."""

    def reference(self, repository: str, digest: str) -> str:
        """The name under which others pull the image."""
        return f"{repository}@{digest}"

    def attach(
        self,
        repository: str,
        subject_digest: str,
        artifact_type: str,
        content: bytes,
        annotations: Mapping[str, str],
    ) -> str:
        """Keep something beside an image, such as a signed statement about it.

        Attaching the same again changes nothing, and whatever others attach meanwhile stays attached.

        Args:
            repository: where the image is.
            subject_digest: which image.
            artifact_type: the media type of the content.
            content: at most `ATTACHED_LIMIT_BYTES`.
            annotations: what a list of referrers shows of it.

        Returns: the digest of its manifest.

        Raises:
            NotFound: the registry has no such image.
            UntrustedInput: the content is too large, the type is no media type, or the registry's answer is malformed.
            ToolUnavailable: the registry does not answer, refuses, or can't keep anything beside an image.
        """
        del repository, subject_digest, artifact_type, content, annotations
        raise self._keeps_images_alone()

    def attach_all(self, repository: str, subject_digest: str, attachments: Sequence[Attachment]) -> tuple[str, ...]:
        """Several beside one image, in the fewest questions; the digests of their manifests in the same order.

        Raises as `attach` does; then some of them may be attached.
        """
        return tuple(
            self.attach(repository, subject_digest, each.artifact_type, each.content, each.annotations)
            for each in attachments
        )

    def referrers(self, repository: str, subject_digest: str, artifact_type: str | None = None) -> tuple[Referrer, ...]:
        """What is kept beside an image, in the order of the digests; of one type, or all.

        Type and annotations are those of each one's own manifest, whose digest was verified and which names this image;
        what a list says about it counts for nothing. Raises as `attach` does.
        """
        del repository, subject_digest, artifact_type
        raise self._keeps_images_alone()

    def read_attached(self, repository: str, digest: str) -> bytes:
        """The content of one that is kept beside an image, by the digest of its manifest; both digests were verified.

        Raises:
            NotFound: there is none.
            UntrustedInput: its bytes differ from their digest, or it is nothing of the kind.
            ToolUnavailable: the registry does not answer.
        """
        del repository, digest
        raise self._keeps_images_alone()

    def keep_for_cosign(self, repository: str, subject_digest: str, envelopes: Mapping[bytes, str]) -> None:
        """Put signed envelopes, each with the type of its predicate, where cosign 2 and sigstore's policy-controller
        look for those of an image.

        A registry that they can't read has no such place, and nothing is done. Again changes nothing.

        Raises `ToolUnavailable` where the registry does not answer, or refuses.
        """
        del repository, subject_digest, envelopes

    def kept_for_cosign(self, repository: str, subject_digest: str) -> tuple[bytes, ...]:
        """The envelopes in that place, by whomever; only their digests were verified. Raises as `referrers` does."""
        del repository, subject_digest
        return ()

    def _keeps_images_alone(self) -> ToolUnavailable:
        what = f"A registry of kind {self.name} keeps nothing beside an image."
        return ToolUnavailable(what, "Use a registry of kind disk, oci or ecr.")

    def scan_findings(self, repository: str, digest: str, deadline: datetime) -> RegistryScan | NotScanned:
        """What the registry's own scanner found in an image that was pushed.

        Args:
            repository: where the image is.
            digest: which image.
            deadline: how long to wait for a scan that is under way; one that is past asks once.
        """
        del repository, digest, deadline
        return NotScanned(f"a registry of kind {self.name} does not scan")
