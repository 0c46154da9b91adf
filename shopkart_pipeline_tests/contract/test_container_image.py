"""A Dockerfile built by a real Docker Engine, and its image run as a replica: the one look at an engine in every run of
the tests.

What engines do beyond that is in the thorough tests of `test_docker_engine`, `test_image_builder`,
`test_dockerfile_builds`, `test_cluster` and `test_container_runtime`. Not collected where there is no engine.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.docker_engine import DockerEngineBuilder
from shopkart_pipeline.adapters.local_cluster.container_runtime import ContainerRuntime
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.images import Images
from shopkart_pipeline.adapters.local_cluster.runtime import Launch
from shopkart_pipeline.adapters.oci_registry import DiskRegistry
from shopkart_pipeline.ports.builder import BuiltImage
from shopkart_pipeline_tests.contract.images import a_service
from shopkart_pipeline_tests.contract.images_of_engines import a_docker_request
from shopkart_pipeline_tests.docker_base import SHELL_BASE_IMAGE

_COMMAND = ("sh", "-c", "cat /made/file && id -u")
_DOCKERFILE = f"""\
FROM {SHELL_BASE_IMAGE}
COPY words /words
RUN mkdir /made && cp /words /made/file
USER 10001
ENTRYPOINT ["sh", "-c", "cat /made/file && id -u"]
"""


@pytest.mark.docker
def test_an_image_that_was_built_from_a_dockerfile_runs_and_what_it_says_is_kept(
    docker_host: str, tmp_path: Path
) -> None:
    request = a_docker_request(tmp_path, {"Dockerfile": _DOCKERFILE, "words": "of the repository\n"})
    request = replace(request, service=a_service(base_image=SHELL_BASE_IMAGE, command=_COMMAND))
    built = DockerEngineBuilder(tmp_path / "layers", docker_host).build(request)
    assert isinstance(built, BuiltImage), built
    registry, log = DiskRegistry(tmp_path / "registry"), tmp_path / "log"
    registry.push(built.layout, "shop", "v1")

    async def run() -> int | None:
        image = await Images(Folders(tmp_path), registry).get("shop", built.digest)
        runtime = ContainerRuntime(str(tmp_path), registry, docker_host)
        return await runtime.wait(
            await runtime.start(Launch("production", "shop", "stable-1", image, (), {}, log, tmp_path))
        )

    assert asyncio.run(run()) == 0
    assert log.read_text() == "of the repository\n10001\n"
