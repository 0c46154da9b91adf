"""The rule for clusters as it is generated: what the repository holds, keys, and names of images."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopkart_pipeline.adapters.admission.admitted import IDENTITY, admissions_of
from shopkart_pipeline.adapters.dsse import read_keys
from shopkart_pipeline.cli.admission import admission_files
from shopkart_pipeline.cli.generated_folder import with_list
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.domain.registry import Registry, RegistryKind
from shopkart_pipeline.domain.trusted_key import TrustedKey, TrustedKeys
from shopkart_pipeline.settings import SHIPPED_DECLARATION
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor
from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST, pipeline_of

_ROOT = SHIPPED_DECLARATION.parent
_EXAMPLE = _ROOT / "examples" / "kubernetes"
_CLUSTER = """\
registry: {kind: oci, address: "https://registry.example:5000", prefix: shop/}
environments:
  staging: {phase: staging, platform: local}
  production: {phase: production, platform: kubernetes}
"""


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return load(_EXAMPLE / "shopkart.yaml", home=tmp_path_factory.mktemp("home"))


def policies(pipeline: Pipeline, keys: TrustedKeys) -> dict[str, Any]:
    text = admission_files(pipeline, keys)["production-images.yaml"]
    return {each["metadata"]["name"]: each["spec"] for each in yaml.safe_load_all(text)}


def test_the_folder_in_the_repository_is_what_the_example_gives(example: Pipeline) -> None:
    keys = read_keys((_EXAMPLE / "attestation-keys.json").read_bytes(), "example")
    folder = _ROOT / "deploy" / "admission"

    held = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}

    assert held == with_list(admission_files(example, keys)), (
        "run `SHOPKART_DECLARATION=examples/kubernetes/shopkart.yaml shopkart admission --keys "
        "examples/kubernetes/attestation-keys.json --out deploy/admission`"
    )


def test_every_key_is_an_authority_of_its_own(example: Pipeline) -> None:
    first, second = FakeAttestor().key, FakeAttestor().key
    ended = replace(first, valid_until=datetime(2026, 1, 1, tzinfo=UTC))

    found = policies(example, TrustedKeys((ended, second)))

    assert set(found) == {
        f"shopkart-production-{service}-{what}"
        for service in ("backend", "frontend")
        for what in ("provenance", "verification")
    }
    for spec in found.values():
        assert [each["key"]["data"] for each in spec["authorities"]] == [first.public_pem, second.public_pem]
        assert all(len(each["attestations"]) == 1 for each in spec["authorities"])


def test_without_keys_there_are_no_policies_that_nobody_could_meet(example: Pipeline) -> None:
    assert set(admission_files(example, None)) == {"production-validating.yaml"}


def test_a_service_without_statements_is_not_asked_for_them(tmp_path: Path) -> None:
    key = FakeAttestor().key
    left_out = "    stages: {attestations: {disabled: signed elsewhere}}\n"

    assert policies(pipeline_of(tmp_path, SMALLEST + _CLUSTER), TrustedKeys((key,)))
    assert _count(pipeline_of(tmp_path, SMALLEST + left_out + _CLUSTER), key) == 0


def _count(pipeline: Pipeline, key: TrustedKey) -> int:
    text = admission_files(pipeline, TrustedKeys((key,)))["production-images.yaml"]
    return text.count("kind: ClusterImagePolicy")


@pytest.mark.parametrize(
    ("registry", "options", "name"),
    [
        (
            "kind: oci, address: 'https://registry.example:5000', prefix: shop/",
            "",
            "registry.example:5000/shop/catalog",
        ),
        (
            "kind: ecr, region: eu-central-1, account: '123456789012'",
            "",
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com/catalog",
        ),
        ("kind: disk", "images: mirror.example/shop/", "mirror.example/shop/catalog"),
    ],
)
def test_images_are_called_as_the_nodes_call_them(tmp_path: Path, registry: str, options: str, name: str) -> None:
    cluster = _CLUSTER.replace("platform: kubernetes", f"platform: kubernetes, options: {{{options}}}")
    text = SMALLEST + f"registry: {{{registry}}}\n" + cluster.partition("\n")[2]

    (found,) = admissions_of(pipeline_of(tmp_path, text), {"catalog": None})

    assert [image.name for image in found.images] == [name]
    assert (found.namespace, found.identity, found.others) == ("production", IDENTITY, ())


def test_a_sidecar_is_named_to_be_admitted(tmp_path: Path) -> None:
    options = "options: {also_admitted: 'mesh.example/proxy mesh.example/init', namespace: 'shop-{environment}'}"
    cluster = _CLUSTER.replace("platform: kubernetes", f"platform: kubernetes, {options}")

    (found,) = admissions_of(pipeline_of(tmp_path, SMALLEST + cluster), {"catalog": None})

    assert found.others == ("mesh.example/proxy", "mesh.example/init")
    assert found.namespace == "shop-production"


@pytest.mark.parametrize("name", ["x') || true || ('", "registry.example/shop:latest", "proxy", "registry.example/*"])
def test_what_is_no_name_of_an_image_gets_into_no_rule(tmp_path: Path, name: str) -> None:
    pipeline = pipeline_of(tmp_path, SMALLEST + _CLUSTER)
    production = replace(pipeline.environments["production"], options={"also_admitted": name.replace(" ", "")})
    pipeline = replace(pipeline, environments={"production": production})

    with pytest.raises(PipelineError, match="is no name of an image"):
        admissions_of(pipeline, {"catalog": None})


def test_who_has_no_cluster_of_production_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No cluster of production is declared"):
        admissions_of(pipeline_of(tmp_path, SMALLEST), {"catalog": None})
    with pytest.raises(NotFound, match="No environment 'prod' is declared"):
        admissions_of(pipeline_of(tmp_path, SMALLEST + _CLUSTER), {"catalog": None}, "prod")


@pytest.mark.parametrize("registry", [Registry(), Registry(RegistryKind.ECR, region="eu-central-1")])
def test_a_registry_that_nodes_can_not_be_told_of_is_named(tmp_path: Path, registry: Registry) -> None:
    pipeline = replace(pipeline_of(tmp_path, SMALLEST + _CLUSTER), registry=registry)

    with pytest.raises(NotFound, match="Nobody says where the nodes of production pull images from"):
        admissions_of(pipeline, {"catalog": None})
