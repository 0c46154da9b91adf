"""The storefront's backend as containers of a Docker Engine: built from its own Dockerfile, pushed, deployed with its
datastores, and rolled to the next version while customers go on asking.

Thorough, because it installs what the backend is locked to. Not collected where there is no engine.
"""

import shutil
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from shopkart_pipeline.adapters.docker_engine import DockerEngineBuilder
from shopkart_pipeline.adapters.python_application import PythonApplication
from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline.domain.wanted_workload import wanted_workload
from shopkart_pipeline.domain.workload import ServiceStatus, Track
from shopkart_pipeline.ports.builder import BuiltImage, ImageRequest
from shopkart_pipeline.settings import SHIPPED_DECLARATION
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline_tests.contract.cluster_worlds import LocalWorld, a_local_world, is_complete
from shopkart_pipeline_tests.contract.images import COMMITTED_AT, LABELS
from shopkart_pipeline_tests.docker_base import ON_AN_ENGINE, make_base_image

pytestmark = ON_AN_ENGINE

STOREFRONT = SHIPPED_DECLARATION.parent / "examples" / "storefront"


@pytest.fixture
def world(docker_host: str, tmp_path: Path) -> Generator[LocalWorld]:
    with a_local_world(tmp_path / "cluster", docker_host) as local:
        yield local


def built(service: Service, tree: Path, folder: Path, docker_host: str) -> BuiltImage:
    """The application by the pipeline, and the image by the engine."""
    application, log = folder / "application", folder / "log"
    folder.mkdir()
    made = PythonApplication(folder.parent / "cache").build(service, tree, folder / "none", application, log, 600.0)
    assert isinstance(made.result, Evidence), made.result
    request = ImageRequest(service, tree, application, LABELS, COMMITTED_AT, folder / "layout", log, 600.0)
    image = DockerEngineBuilder(folder.parent / "layers", docker_host).build(request)
    assert isinstance(image, BuiltImage), image
    return image


def test_the_backend_is_built_from_its_dockerfile_deployed_probed_and_rolled(
    world: LocalWorld, docker_host: str, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(STOREFRONT, tree, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
    declared = load(SHIPPED_DECLARATION, home=tmp_path).services["backend"]
    service = replace(declared, workload=replace(declared.workload, base_image=make_base_image(docker_host)))
    first = built(service, tree, tmp_path / "first", docker_host)
    with (tree / "backend" / "src" / "storefront_backend" / "__init__.py").open("a") as module:
        module.write('\nNEXT = "release"\n')
    second = built(service, tree, tmp_path / "second", docker_host)
    assert first.digest != second.digest

    answers = set[int]()

    def roll(image: BuiltImage, version: str, *, asked: bool) -> str:
        """Deploy a version, with customers asking from beginning to end or not; gives where it is then."""
        assert world.registry.push(image.layout, "backend", version) == image.digest
        place = service.deployments["production"]
        spec = wanted_workload(service, place, release_key=version, commit="c0ffee", digest=image.digest)
        world.cluster.apply("production", "backend", Track.STABLE, spec)

        def holds(status: ServiceStatus) -> bool:
            if asked:
                answers.add(httpx.get(f"{status.url}/catalogue", timeout=20.0).status_code)
            return is_complete(status.stable)

        last = world.until("production", "backend", holds)[-1]
        assert last.stable is not None
        assert last.stable.spec.digest == image.digest
        return last.url

    url = roll(first, "v1", asked=False)
    assert [httpx.get(f"{url}{path}").status_code for path in ("/health/ready", "/catalogue", "/metrics")] == [200] * 3
    roll(second, "v2", asked=True)
    assert answers == {200}
