"""Images as replicas need them: fetched from the registry by digest, unpacked once, shared by all replicas.

An unpacked image is there whole or not at all. Nothing in it is changed afterwards; the interpreter may add byte code
beside the sources, which spares every further replica the compilation.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters._oci import read_config, read_manifest, unpack
from shopkart_pipeline.adapters._oci_documents import RunDocument
from shopkart_pipeline.adapters.local_cluster.documents import Codec
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.registry import ImageRegistry

_ABOUT = "about.json"


@dataclass(frozen=True)
class About:
    """What is kept of an image beside its files."""

    config_digest: str
    """By which an engine knows the image."""
    run: RunDocument
    """How a container of it runs."""


ABOUT = Codec(About)


@dataclass(frozen=True)
class Image:
    """An unpacked image."""

    repository: str
    digest: str
    rootfs: Path
    about: About


class Images:
    """The unpacked images of one home."""

    def __init__(self, folders: Folders, registry: ImageRegistry) -> None:
        self._folders = folders
        self._registry = registry
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, repository: str, digest: str) -> Image:
        """The image, fetched and unpacked where that has not happened yet.

        Raises:
            NotFound: the registry does not hold it.
            UntrustedInput: what the registry gave is not what the digest names, or can't be unpacked safely.
            ToolUnavailable: the registry does not answer.
        """
        async with self._locks.setdefault(digest, asyncio.Lock()):
            folder = self._folders.image(digest)
            if not folder.is_dir():
                await asyncio.to_thread(self._fetch, repository, digest, folder)
            about = ABOUT.read(folder / _ABOUT)
            if about is None:
                raise ToolUnavailable(f"{folder} is damaged.", "Remove it; it is fetched again.")
            return Image(repository, digest, folder / "rootfs", about)

    def _fetch(self, repository: str, digest: str, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as staging:
            layout, unpacked = Path(staging) / "layout", Path(staging) / "image"
            self._registry.pull(repository, digest, layout)
            manifest = read_manifest(layout)
            if manifest.digest != digest:
                raise UntrustedInput(
                    f"The registry gave the image {manifest.digest} for {digest}.", "Don't use this registry."
                )
            unpacked.mkdir()
            unpack(layout, unpacked / "rootfs")
            about = About(manifest.config.digest, read_config(layout, manifest).config)
            ABOUT.write(unpacked / _ABOUT, about, durable=False)
            try:
                unpacked.rename(folder)
            except OSError:
                # An earlier call whose caller gave up may have been faster.
                if not folder.is_dir():
                    raise

    def forget_all_but(self, digests: Collection[str]) -> None:
        """Remove images that nobody uses, and what an interrupted fetch left."""
        kept = {self._folders.image(digest).name for digest in digests}
        if not self._folders.images.is_dir():
            return
        for folder in self._folders.images.iterdir():
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)


def application_of(folders: Folders, digest: str) -> Path | None:
    """The `/app` folder of an image that has been unpacked, or None."""
    application = folders.image(digest) / "rootfs" / "app"
    return application if application.is_dir() else None
