"""A registry in memory, with tags that can't be moved."""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from shopkart_pipeline.domain.errors import Conflict, NotFound, ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.registry import ATTACHED_LIMIT_BYTES, ImageRegistry, NotScanned, Referrer, RegistryScan


class FakeRegistry(ImageRegistry):
    """Keeps the files of each layout by digest.

    Args:
        unavailable: makes every call raise `ToolUnavailable` with these words; may be set and cleared at any time.
    """

    name = "fake"

    def __init__(self, unavailable: str | None = None) -> None:
        self.unavailable = unavailable
        self.images: dict[str, dict[str, dict[str, bytes]]] = defaultdict(dict)
        """Files of a layout by name, by repository and digest."""
        self.tags: dict[tuple[str, str], str] = {}
        self.pushes: list[tuple[str, str]] = []
        self.attached: dict[tuple[str, str], dict[str, tuple[Referrer, bytes]]] = defaultdict(dict)
        """What is kept beside an image, by its digest, by repository and image."""
        self.scans: dict[str, RegistryScan | NotScanned] = {}
        """What its scanner says, by digest; of any other image there is nothing to be had."""
        self.scans_asked_for: list[tuple[str, str, datetime]] = []

    def push(self, layout: Path, repository: str, tag: str) -> str:
        self._answer(repository, tag)
        if not (layout / "index.json").is_file():
            raise NotFound(f"{layout} is no layout.", "Build the image first.")
        files = {path.relative_to(layout).as_posix(): path.read_bytes() for path in layout.rglob("*") if path.is_file()}
        for name, content in files.items():
            if name.startswith("blobs/") and not name.endswith(sha256(content).hexdigest()):
                raise UntrustedInput(f"Blob sha256:{name.rpartition('/')[2]} is corrupt.", "Build the image again.")
        digest = str(json.loads(files["index.json"])["manifests"][0]["digest"])
        held = self.tags.setdefault((repository, tag), digest)
        if held != digest:
            raise Conflict(f"{repository}:{tag} names {held}, not {digest}.", "Push under a new tag.")
        self.images[repository][digest] = files
        self.pushes.append((repository, tag))
        return digest

    def resolve(self, repository: str, tag: str) -> str | None:
        self._answer(repository, tag)
        return self.tags.get((repository, tag))

    def has(self, repository: str, digest: str) -> bool:
        self._answer(repository)
        return digest in self.images[repository]

    def pull(self, repository: str, digest: str, layout: Path) -> None:
        self._answer(repository)
        if digest not in self.images[repository]:
            raise NotFound(f"No image {repository}@{digest}.", "Push it first.")
        for name, content in self.images[repository][digest].items():
            path = layout / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def attach(
        self,
        repository: str,
        subject_digest: str,
        artifact_type: str,
        content: bytes,
        annotations: Mapping[str, str],
    ) -> str:
        if not self.has(repository, subject_digest):
            raise NotFound(f"No image {repository}@{subject_digest}.", "Push it first.")
        if "/" not in artifact_type or " " in artifact_type or len(content) > ATTACHED_LIMIT_BYTES:
            raise UntrustedInput(f"{artifact_type!r} of {len(content)} bytes can't be attached.", "Name its type.")
        described = json.dumps([subject_digest, artifact_type, sorted(annotations.items())]).encode()
        digest = f"sha256:{sha256(described + content).hexdigest()}"
        referrer = Referrer(digest, artifact_type, dict(annotations))
        self.attached[repository, subject_digest][digest] = (referrer, content)
        return digest

    def referrers(self, repository: str, subject_digest: str, artifact_type: str | None = None) -> tuple[Referrer, ...]:
        self._answer(repository)
        found = sorted(self.attached[repository, subject_digest].items())
        return tuple(one for _, (one, _) in found if artifact_type in (None, one.artifact_type))

    def read_attached(self, repository: str, digest: str) -> bytes:
        self._answer(repository)
        for (held_in, _), found in self.attached.items():
            if held_in == repository and digest in found:
                return found[digest][1]
        raise NotFound(f"Nothing is attached as {repository}@{digest}.", "Attach it first.")

    def scan_findings(self, repository: str, digest: str, deadline: datetime) -> RegistryScan | NotScanned:
        self._answer(repository)
        self.scans_asked_for.append((repository, digest, deadline))
        return self.scans.get(digest) or super().scan_findings(repository, digest, deadline)

    def _answer(self, repository: str, tag: str = "tag") -> None:
        if self.unavailable is not None:
            raise ToolUnavailable(self.unavailable, "Start the registry.")
        if any(name in ("", ".", "..") for name in (*repository.split("/"), *tag.split("/"))) or "/" in tag:
            raise UntrustedInput(f"{repository}:{tag} is no name.", "Use letters and digits.")
        if repository != repository.lower() or not set(repository + tag).isdisjoint(" \0?#:@"):
            raise UntrustedInput(f"{repository}:{tag} is no name.", "Use letters and digits.")
