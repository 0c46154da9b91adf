"""Images of the sample application for a real cluster: pushed to a registry that its nodes pull from, or put on them.

An image holds this machine's own Python, so that nothing is fetched from anywhere; the nodes need the same processor
architecture.
"""

import json
import os
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shopkart_pipeline.adapters.oci_distribution import OciHttpRegistry
from shopkart_pipeline.ports.registry import ImageRegistry
from shopkart_pipeline_tests.contract.cluster_worlds import ImageParts, sample_image
from shopkart_pipeline_tests.contract.kubernetes_worlds import HeldRegistry
from shopkart_pipeline_tests.docker_base import python_base_layer, python_base_variables
from shopkart_pipeline_tests.fakes.fake_builder import write_image

_REPOSITORY = "shopkart-test/replica"
_LOADED_NAME = f"shopkart.test/{_REPOSITORY}"
_IMPORT = f"ctr -n k8s.io images import --digests --base-name {_LOADED_NAME}"
_KIND = "kind-"
"""How the names of kind's contexts begin."""
_NO_NODE = "external-load-balancer"
_SECONDS = 600


@dataclass(frozen=True)
class ImageWays:
    """How images get to the nodes, as the command line says."""

    registry: str | None = None
    """`HOST[:PORT][/PREFIX]`, with `http://` before it where it speaks no TLS; so does one on this machine."""
    pull_from: str | None = None
    """The same registry as the nodes call it, `HOST[:PORT][/PREFIX]`; None: by the same name."""
    load_command: str | None = None
    """What puts an image on the nodes instead, with `{archive}` for the path of its OCI archive."""


class ClusterImages:
    """Publishes images of the sample application.

    Args:
        folder: where they are made.
        ways: how they get to the nodes.
        context: name of the kubeconfig's context, which tells kind's clusters.
    """

    def __init__(self, folder: Path, ways: ImageWays, context: str) -> None:
        self._folder, self._base = folder, ImageParts((python_base_layer(),), tuple(python_base_variables()))
        self._published: dict[str, str] = {}
        self._commands: Sequence[str] = ()
        if ways.registry is None:
            self.registry: ImageRegistry = LoadedImages()
            self._commands = [ways.load_command] if ways.load_command else _load_commands(context)
            return
        scheme, _, place = ways.registry.rpartition("://")
        host, _, prefix = place.strip("/").partition("/")
        here = host.partition(":")[0] in ("localhost", "127.0.0.1")
        user, password = os.environ.get("SHOPKART_REGISTRY_USER"), os.environ.get("SHOPKART_REGISTRY_PASSWORD")
        login = (user, password) if user and password else None
        address = f"{scheme or ('http' if here else 'https')}://{host}"
        self.registry = PushedImages(OciHttpRegistry.at(address, login, folder / "places"), prefix, ways.pull_from)

    def publish(self, version: str, **behaviour: Any) -> str:
        """Get an image to the nodes; returns its digest."""
        told = {"version": version, **behaviour}
        key = json.dumps(told, sort_keys=True)
        if key not in self._published:
            with tempfile.TemporaryDirectory(dir=self._folder) as folder:
                layout = Path(folder, "layout")
                digest, _ = write_image(layout, *sample_image(told, self._base))
                self._send(layout, digest)
            self._published[key] = digest
        return self._published[key]

    def reference(self, digest: str) -> str:
        """As the nodes call an image."""
        return self.registry.reference("", digest)

    def close(self) -> None:
        """Close connections."""
        if isinstance(self.registry, PushedImages):
            self.registry.close()

    def _send(self, layout: Path, digest: str) -> None:
        if isinstance(self.registry, PushedImages):
            self.registry.push(layout, "", digest.removeprefix("sha256:")[:32])
            return
        assert isinstance(self.registry, LoadedImages)
        _leave_nameless(layout)
        archive = layout.with_name("image.tar")
        with tarfile.open(archive, "w") as tar:
            tar.add(layout, ".")
        for command in self._commands:
            ran = shlex.split(command.replace("{archive}", shlex.quote(str(archive))))
            done = subprocess.run(ran, capture_output=True, text=True, timeout=_SECONDS, check=False)
            assert done.returncode == 0, f"{command} could not load an image: {done.stderr.strip()[-500:]}"
        self.registry.held.add(digest)


def _leave_nameless(layout: Path) -> None:
    """Take the name out of an image's index: `ctr` of containerd 2 gives one that has a name no name by its digest."""
    index = json.loads((layout / "index.json").read_bytes())
    for manifest in index["manifests"]:
        manifest.pop("annotations", None)
    (layout / "index.json").write_text(json.dumps(index), encoding="utf-8")


class LoadedImages(HeldRegistry):
    """Images that were put on the nodes, all under one name."""

    def reference(self, repository: str, digest: str) -> str:
        del repository
        return f"{_LOADED_NAME}@{digest}"


class PushedImages(HeldRegistry):
    """Every service's images in one repository of a registry."""

    def __init__(self, registry: OciHttpRegistry, prefix: str, pull_from: str | None) -> None:
        super().__init__()
        self._registry, self._pull_from = registry, pull_from
        self._repository = f"{prefix}/{_REPOSITORY}" if prefix else _REPOSITORY

    def push(self, layout: Path, repository: str, tag: str) -> str:
        del repository
        return self._registry.push(layout, self._repository, tag)

    def has(self, repository: str, digest: str) -> bool:
        del repository
        return self._registry.has(self._repository, digest)

    def reference(self, repository: str, digest: str) -> str:
        del repository
        if self._pull_from is not None:
            return f"{self._pull_from.strip('/')}/{_REPOSITORY}@{digest}"
        return self._registry.reference(self._repository, digest)

    def close(self) -> None:
        """Close connections."""
        self._registry.close()


def why_no_way(ways: ImageWays, context: str) -> str | None:
    """Why images can't get to the nodes, or None."""
    if ways.registry or ways.load_command or _load_commands(context):
        return None
    return "Say where images go: `--registry HOST`, or `--load-command 'COMMAND {archive}'`."


def _load_commands(context: str) -> list[str]:
    """What puts an image on the nodes where they are containers of kind's, or where this machine is the only one."""
    if context.startswith(_KIND) and shutil.which("docker"):
        label = f"label=io.x-k8s.kind.cluster={context.removeprefix(_KIND)}"
        listed = ["docker", "ps", "--filter", label, "--format", '{{.Names}} {{.Label "io.x-k8s.kind.role"}}']
        nodes = subprocess.run(listed, capture_output=True, text=True, timeout=60, check=False).stdout.splitlines()
        names = [line.split()[0] for line in nodes if not line.endswith(_NO_NODE)]
        scripts = [f'docker exec -i {shlex.quote(name)} {_IMPORT} - < "$1"' for name in names]
        return [f"sh -c {shlex.quote(script)} sh {{archive}}" for script in scripts]
    return [f"{_IMPORT} {{archive}}"] if shutil.which("ctr") else []
