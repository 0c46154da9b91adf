"""What every image registry promises of what is kept beside an image, each on the real thing.

Debian's `docker-registry` has no referrers API, so it shows the fallback by a tag; the API itself is shown by
`unit/adapters/test_oci_referrers.py`. The stand-ins for AWS have neither.
"""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._http import HttpClient
from shopkart_pipeline.adapters.oci_distribution import OciHttpRegistry
from shopkart_pipeline.adapters.oci_registry import DiskRegistry
from shopkart_pipeline.adapters.prefixed_registry import PrefixedRegistry
from shopkart_pipeline.domain.errors import NotFound, UntrustedInput
from shopkart_pipeline.ports.registry import ImageRegistry
from shopkart_pipeline_tests.contract.images import a_request
from shopkart_pipeline_tests.contract.registry_server import PROGRAM, running_registry
from shopkart_pipeline_tests.fakes.fake_builder import FakeBuilder
from shopkart_pipeline_tests.fakes.fake_registry import FakeRegistry

_NOWHERE = f"sha256:{'0' * 64}"
_numbers = itertools.count()

Images = Callable[[ImageRegistry], str]
"""Pushes an image to `shop/backend` and gives its digest."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(params=["fake", "disk", "prefixed", *(["docker-registry"] if PROGRAM else [])])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ImageRegistry]:
    match request.param:
        case "fake":
            yield FakeRegistry()
        case "disk":
            yield DiskRegistry(tmp_path / "registry")
        case "prefixed":
            yield PrefixedRegistry(DiskRegistry(tmp_path / "registry"), "shopkart/")
        case _:
            address = request.getfixturevalue("address")
            client = HttpClient("The registry", address)
            yield PrefixedRegistry(OciHttpRegistry(client, address), f"t{next(_numbers)}/")
            client.close()


@pytest.fixture
def images(tmp_path: Path) -> Images:
    def push(registry: ImageRegistry) -> str:
        number = next(_numbers)
        request = a_request(tmp_path / str(number), files={"app/a.py": f"VERSION = {number}\n"})
        FakeBuilder().build(request)
        return registry.push(request.layout, "shop/backend", str(number))

    return push


_STATEMENT = "application/vnd.dsse.envelope.v1+json"


def test_what_is_attached_to_an_image_is_found_and_read(registry: ImageRegistry, images: Images) -> None:
    image, other = images(registry), images(registry)

    statement = registry.attach("shop/backend", image, _STATEMENT, b'{"signed": 1}', {"about": "tests"})
    bom = registry.attach("shop/backend", image, "application/vnd.cyclonedx+json", b"{}", {})

    assert {one.digest for one in registry.referrers("shop/backend", image)} == {statement, bom}
    (found,) = registry.referrers("shop/backend", image, _STATEMENT)
    assert (found.digest, found.artifact_type, dict(found.annotations)) == (statement, _STATEMENT, {"about": "tests"})
    assert registry.read_attached("shop/backend", statement) == b'{"signed": 1}'
    assert registry.read_attached("shop/backend", bom) == b"{}"
    assert registry.referrers("shop/backend", other) == ()
    assert registry.has("shop/backend", image)


def test_attaching_again_changes_nothing(registry: ImageRegistry, images: Images) -> None:
    image = images(registry)
    first = registry.attach("shop/backend", image, _STATEMENT, b"same", {"about": "tests"})

    again = registry.attach("shop/backend", image, _STATEMENT, b"same", {"about": "tests"})

    assert again == first
    assert len(registry.referrers("shop/backend", image)) == 1


def test_many_attach_at_once_and_nothing_is_lost(registry: ImageRegistry, images: Images) -> None:
    image = images(registry)
    contents = [b"%d" % number for number in range(5)]

    with ThreadPoolExecutor() as pool:
        running = [pool.submit(registry.attach, "shop/backend", image, _STATEMENT, content, {}) for content in contents]
    attached = [one.result() for one in running]

    found = registry.referrers("shop/backend", image)
    assert {one.digest for one in found} == set(attached)
    assert sorted(registry.read_attached("shop/backend", one.digest) for one in found) == contents


def test_nothing_is_attached_to_what_is_not_there(registry: ImageRegistry, images: Images) -> None:
    image = images(registry)

    with pytest.raises(NotFound):
        registry.attach("shop/backend", _NOWHERE, _STATEMENT, b"statement", {})
    with pytest.raises(UntrustedInput):
        registry.attach("shop/backend", image, "no media type", b"statement", {})
    with pytest.raises(NotFound):
        registry.read_attached("shop/backend", _NOWHERE)
    assert registry.referrers("shop/backend", _NOWHERE) == ()
