"""What the tests on a Docker Engine build, and how an engine takes what was built."""

import json
import tarfile
from collections.abc import Mapping
from gzip import decompress
from io import BytesIO
from pathlib import Path

from shopkart_pipeline.adapters._oci import read_manifest
from shopkart_pipeline.adapters._oci_documents import blob_path
from shopkart_pipeline.ports.builder import ImageRequest
from shopkart_pipeline_tests.contract.images import a_request, a_service, write_files
from shopkart_pipeline_tests.docker_base import EMPTY_BASE_IMAGE


def a_docker_request(folder: Path, tree: Mapping[str, str], base_image: str = EMPTY_BASE_IMAGE) -> ImageRequest:
    request = a_request(folder, a_service(base_image=base_image))
    write_files(request.tree, tree)
    return request


def docker_archive(layout: Path) -> bytes:
    """The image as `docker load` reads it: what engines before 25 write and every engine reads."""
    manifest, files = read_manifest(layout), {}
    for layer in manifest.layers:
        files[f"{layer.digest[7:]}.tar"] = decompress(blob_path(layout, layer.digest).read_bytes())
    entry = {"Config": "config.json", "Layers": list(files)}
    files["config.json"] = blob_path(layout, manifest.config.digest).read_bytes()
    files["manifest.json"] = json.dumps([entry]).encode()
    target = BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return target.getvalue()
