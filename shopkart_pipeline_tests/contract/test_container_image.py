"""A Dockerfile built by a real Docker Engine, and its image run: the one look at an engine in every run of the tests.

What engines do beyond that is in the thorough tests of `test_docker_engine`, `test_image_builder`,
`test_dockerfile_builds`, `test_cluster` and `test_container_runtime`. Not collected where there is no engine.
"""

from dataclasses import replace
from pathlib import Path

import docker
import pytest

from shopkart_pipeline.adapters.docker_engine import DockerEngineBuilder
from shopkart_pipeline.ports.builder import BuiltImage
from shopkart_pipeline_tests.contract.images import a_service
from shopkart_pipeline_tests.contract.images_of_engines import a_docker_request, docker_archive
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
def test_an_image_that_was_built_from_a_dockerfile_runs_as_a_container(docker_host: str, tmp_path: Path) -> None:
    request = a_docker_request(tmp_path, {"Dockerfile": _DOCKERFILE, "words": "of the repository\n"})
    request = replace(request, service=a_service(base_image=SHELL_BASE_IMAGE, command=_COMMAND))
    built = DockerEngineBuilder(tmp_path / "layers", docker_host).build(request)
    assert isinstance(built, BuiltImage), built
    client = docker.DockerClient(base_url=docker_host)
    (image,) = client.images.load(docker_archive(built.layout))

    said = client.containers.run(image.id, network_mode="none", read_only=True, cap_drop=["ALL"], remove=True)

    assert said == b"of the repository\n10001\n"
    client.close()
