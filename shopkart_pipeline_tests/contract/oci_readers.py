"""Readers that judge an OCI image layout and share no code with the package.

`StrictReader` follows the image specification 1.1 rule by rule and runs everywhere. `SkopeoReader` and `UmociReader`
ask tools of the field and join where they are installed: the test ids name every reader that judged.
"""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_LAYER_TYPES = {
    "application/vnd.oci.image.layer.v1.tar": lambda content: content,
    "application/vnd.oci.image.layer.v1.tar+gzip": gzip.decompress,
}


@dataclass(frozen=True)
class Reading:
    """What a reader found in a layout."""

    digest: str
    labels: dict[str, str]
    layers: tuple[str, ...]


class LayoutReader(ABC):
    """Reads a layout or raises."""

    @abstractmethod
    def read(self, layout: Path) -> Reading: ...


class StrictReader(LayoutReader):
    """Checks every rule of the specification that a layout of one image can break."""

    def read(self, layout: Path) -> Reading:
        assert {path.name for path in layout.iterdir()} == {"oci-layout", "index.json", "blobs"}
        assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
        index = json.loads((layout / "index.json").read_bytes())
        assert index["schemaVersion"] == 2
        assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
        (described,) = index["manifests"]
        assert described["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
        manifest = json.loads(_blob(layout, described))
        assert manifest["schemaVersion"] == 2
        assert manifest["mediaType"] == described["mediaType"]
        assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
        config = json.loads(_blob(layout, manifest["config"]))
        archives = [_LAYER_TYPES[layer["mediaType"]](_blob(layout, layer)) for layer in manifest["layers"]]
        _check_config(config, [f"sha256:{hashlib.sha256(archive).hexdigest()}" for archive in archives])
        for archive in archives:
            _check_archive(archive)
        named = {described["digest"], manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])}
        assert {f"sha256:{path.name}" for path in (layout / "blobs" / "sha256").iterdir()} == named
        layers = tuple(layer["digest"] for layer in manifest["layers"])
        return Reading(described["digest"], config["config"].get("Labels") or {}, layers)


class SkopeoReader(LayoutReader):
    """Inspects the layout, and converts the image to Docker's format, which unpacks and checks all layers."""

    def read(self, layout: Path) -> Reading:
        found = json.loads(_output("skopeo", "inspect", f"oci:{layout}"))
        with tempfile.TemporaryDirectory() as folder:
            target = f"docker-archive:{folder}/image.tar:checked:latest"
            _output("skopeo", "--insecure-policy", "--tmpdir", folder, "copy", f"oci:{layout}", target)
        return Reading(found["Digest"], found["Labels"] or {}, tuple(found["Layers"]))


class UmociReader(LayoutReader):
    """Finds the image by its name in the index, and unpacks it."""

    def read(self, layout: Path) -> Reading:
        index = json.loads((layout / "index.json").read_bytes())
        (described,) = index["manifests"]
        name = described["annotations"]["org.opencontainers.image.ref.name"]
        stat = json.loads(_output("umoci", "stat", "--json", "--image", f"{layout}:{name}"))
        with tempfile.TemporaryDirectory() as folder:
            _output("umoci", "unpack", "--rootless", "--image", f"{layout}:{name}", f"{folder}/bundle")
            runtime = json.loads(Path(folder, "bundle", "config.json").read_bytes())
        layers = tuple(line["layer"]["digest"] for line in stat["history"] if line["layer"])
        return Reading(described["digest"], runtime["annotations"], layers)


def installed_readers() -> dict[str, LayoutReader]:
    """The strict reader, and each tool that this machine has."""
    tools: dict[str, LayoutReader] = {"skopeo": SkopeoReader(), "umoci": UmociReader()}
    return {"strict": StrictReader(), **{name: reader for name, reader in tools.items() if shutil.which(name)}}


def _output(*command: str) -> bytes:
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def _blob(layout: Path, described: dict[str, Any]) -> bytes:
    assert _DIGEST.fullmatch(described["digest"])
    content = (layout / "blobs" / "sha256" / described["digest"].removeprefix("sha256:")).read_bytes()
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == described["digest"]
    assert len(content) == described["size"]
    return content


def _check_config(config: dict[str, Any], diff_ids: list[str]) -> None:
    assert config["os"] == "linux"
    assert config["architecture"] in {"amd64", "arm64"}
    assert _RFC3339.fullmatch(config["created"])
    assert config["rootfs"] == {"type": "layers", "diff_ids": diff_ids}
    written = [line for line in config.get("history", []) if not line.get("empty_layer", False)]
    assert len(written) in (0, len(diff_ids))
    runtime = config["config"]
    assert all(re.fullmatch(r"[^=]+=.*", line, re.DOTALL) for line in runtime.get("Env") or [])
    assert all(re.fullmatch(r"\d+(/tcp|/udp)?", port) for port in runtime.get("ExposedPorts") or {})
    assert all(isinstance(word, str) for word in [*(runtime.get("Entrypoint") or []), *(runtime.get("Cmd") or [])])
    assert all(isinstance(value, str) for value in (runtime.get("Labels") or {}).values())


def _check_archive(archive: bytes) -> None:
    """`layer.md`: each path once, and nothing outside of the root."""
    with tarfile.open(fileobj=BytesIO(archive), mode="r:") as tar:
        members = tar.getmembers()
    names = [PurePosixPath(member.name) for member in members]
    assert len(set(names)) == len(names)
    for name in names:
        assert not name.is_absolute()
        assert ".." not in name.parts
