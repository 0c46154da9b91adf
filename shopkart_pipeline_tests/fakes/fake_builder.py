"""An image builder that packs an application into one plain layer, and can be told to fail.

It shares no code with the package's builders, so that tests of registries and clusters have a second opinion on what
an image layout looks like.
"""

import hashlib
import json
import shutil
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from shopkart_pipeline.domain.evidence import EvidenceMissing, Tool
from shopkart_pipeline.ports.builder import BuiltImage, ImageBuilder, ImageRequest

_TOOL = Tool("fake", "1")


class FakeBuilder(ImageBuilder):
    """Builds genuine images quickly.

    Args:
        missing: the reason to give instead of an image.
    """

    name = "fake"

    def __init__(self, missing: str | None = None) -> None:
        self.missing = missing
        self.requests: list[ImageRequest] = []
        self.known: Mapping[str, str] | None = None

    def unavailable(self) -> str | None:
        return None

    def inputs(self, request: ImageRequest) -> Mapping[str, str] | None:
        return self.known

    def build(self, request: ImageRequest) -> BuiltImage | EvidenceMissing:
        self.requests.append(request)
        if self.missing is not None:
            return EvidenceMissing(self.missing, _TOOL)
        if request.timeout_seconds <= 0:
            return EvidenceMissing("the image was not built in time", _TOOL)
        layer = _pack(request.application)
        config = {
            "created": request.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "User": "65532:65532",
                "WorkingDir": "/app",
                "Env": ["PYTHONPATH=/app/app:/app/deps"],
                "Entrypoint": list(request.service.workload.command),
                "Labels": dict(request.labels),
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
            "history": [{"created_by": "fake"}],
        }
        digest, size_bytes = write_image(request.layout, json.dumps(config).encode(), [layer])
        request.log.parent.mkdir(parents=True, exist_ok=True)
        request.log.write_text(f"image {digest}\n", encoding="utf-8")
        return BuiltImage(request.layout, digest, size_bytes, reproducible=True, tool=_TOOL)


def write_image(layout: Path, config: bytes, layers: list[bytes]) -> tuple[str, int]:
    """Write a layout of plain layers; returns the image's digest and size. Content is not checked: it may be wrong."""
    shutil.rmtree(layout, ignore_errors=True)
    (layout / "blobs" / "sha256").mkdir(parents=True)
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _put(layout, config, "application/vnd.oci.image.config.v1+json"),
        "layers": [_put(layout, layer, "application/vnd.oci.image.layer.v1.tar") for layer in layers],
    }
    described = _put(layout, json.dumps(manifest).encode(), manifest["mediaType"])
    described["annotations"] = {"org.opencontainers.image.ref.name": "fake"}
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [described],
    }
    (layout / "index.json").write_text(json.dumps(index), encoding="utf-8")
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="utf-8")
    return described["digest"], sum(path.stat().st_size for path in (layout / "blobs" / "sha256").iterdir())


def _put(layout: Path, content: bytes, media_type: str) -> dict[str, Any]:
    name = hashlib.sha256(content).hexdigest()
    (layout / "blobs" / "sha256" / name).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(content)}


def _pack(application: Path) -> bytes:
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in sorted(application.rglob("*")):
            entry = tarfile.TarInfo(f"app/{path.relative_to(application).as_posix()}")
            if path.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            else:
                entry.size = path.stat().st_size
                tar.addfile(entry, BytesIO(path.read_bytes()))
    return archive.getvalue()
