"""Services, applications and requests that the tests about images start from."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from shopkart_pipeline.adapters._oci_documents import blob_path, digest_of
from shopkart_pipeline.domain.declaration import Service, Source, Workload
from shopkart_pipeline.ports.builder import ImageRequest
from shopkart_pipeline_tests.docker_base import write_empty_base_layout

COMMITTED_AT = datetime(2025, 3, 14, 15, 9, 26, tzinfo=UTC)
LABELS = {
    "org.opencontainers.image.revision": "8c7e1f0a2b3c4d5e6f708192a3b4c5d6e7f80912",
    "org.opencontainers.image.version": "20250314-150926-8c7e1f0a2b3c",
}
APPLICATION: Mapping[str, str] = {
    "deps/greeting/__init__.py": "def greet(name: str) -> str:\n    return f'hello {name}'\n",
    "deps/greeting-1.0.dist-info/METADATA": "Name: greeting\nVersion: 1.0\n",
    "app/shop/__init__.py": "",
    "app/shop/__main__.py": "import greeting\n\nprint(greeting.greet('shop'))\n",
}


BASE_ON_DISK = "oci:base"
DOCKERFILE = Path(__file__).parents[1] / "samples" / "oci" / "Dockerfile"


def a_service(*, base_image: str | None = None, command: tuple[str, ...] = ("python", "-m", "shop")) -> Service:
    """A service that runs `command`."""
    workload = Workload(
        command=command,
        startup_path="/startup",
        readiness_path="/ready",
        liveness_path="/live",
        metrics_path="/metrics",
        startup_deadline_seconds=10.0,
        drain_seconds=5.0,
        port=8080,
        variables={},
        base_image=base_image,
    )
    source = Source(repository="shopkart/shop", remote="unused", branch="main", path=".")
    return Service("shop", ("team@shopkart.example",), source, (), (), workload, {})


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files below `folder`, in the order given."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return folder


def a_request(folder: Path, service: Service | None = None, files: Mapping[str, str] = APPLICATION) -> ImageRequest:
    """A request to build an application of `files`, everything below `folder`; its source is the application too.
    A base image that the service wants from its repository is there, and is empty."""
    tree = write_files(folder / "tree", {"Dockerfile": DOCKERFILE.read_text(encoding="utf-8")})
    write_files(tree / "source", files)
    if service is not None and service.workload.base_image == BASE_ON_DISK:
        write_empty_base_layout(tree / "base")
    return ImageRequest(
        service=service or a_service(),
        tree=tree,
        application=write_files(folder / "application", files),
        labels=LABELS,
        created_at=COMMITTED_AT,
        layout=folder / "layout",
        log=folder / "image.log",
        timeout_seconds=60.0,
    )


def with_configuration(image: Path, **settings: object) -> Path:
    """The layout with another configuration, its digests mended."""

    def rewrite(descriptor: dict[str, object], document: dict[str, object]) -> None:
        content = json.dumps(document).encode()
        descriptor.update(digest=digest_of(content), size=len(content))
        blob_path(image, str(descriptor["digest"])).write_bytes(content)

    index = json.loads((image / "index.json").read_text())
    [entry] = index["manifests"]
    manifest = json.loads(blob_path(image, entry["digest"]).read_text())
    configuration = json.loads(blob_path(image, manifest["config"]["digest"]).read_text())
    configuration["config"].update(settings)
    rewrite(manifest["config"], configuration)
    rewrite(entry, manifest)
    (image / "index.json").write_text(json.dumps(index))
    return image
