"""Bills of materials as CycloneDX documents."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from shopkart_pipeline.adapters.cyclonedx_json import CycloneDxJson
from shopkart_pipeline.domain.component import BillKind, BillOfMaterials, Component, PackageVersion, Place
from shopkart_pipeline.domain.errors import UntrustedInput

IMAGE, LAYER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
STARLETTE = Component(
    PackageVersion("PyPI", "starlette", "0.37.2"),
    "pkg:pypi/starlette@0.37.2",
    (Place("app/deps/starlette-0.37.2.dist-info/METADATA", LAYER),),
    "BSD-3-Clause",
    "BSD",
    (f"sha256:{'c' * 64}", f"sha512:{'d' * 128}"),
    ("pkg:pypi/anyio@4.4.0",),
)
ANYIO = Component(PackageVersion("PyPI", "anyio", "4.4.0"), "pkg:pypi/anyio@4.4.0", STARLETTE.places, None, "Anyio's")
LIBC = Component(
    PackageVersion("Debian", "libc6", "2.36-9+deb12u4"),
    "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12",
    (Place("var/lib/dpkg/status", LAYER),),
    properties={"source": "glibc"},
)
SCOPED = Component(PackageVersion("npm", "@a/b", "1.0.0"), "pkg:npm/%40a/b@1.0.0", (Place("x", LAYER),))
ABSENT = Component(PackageVersion("PyPI", "colorama", "0.4.6"), "pkg:pypi/colorama@0.4.6")
BILL = BillOfMaterials(
    BillKind.IMAGE,
    "backend",
    IMAGE,
    IMAGE,
    datetime(2025, 3, 4, 12, tzinfo=UTC),
    (ANYIO, ABSENT, LIBC, SCOPED, STARLETTE),
    ("What was copied in is unknown.",),
    {"operating-system": "Debian"},
)


def document(bill: BillOfMaterials = BILL) -> Any:
    return json.loads(CycloneDxJson().write(bill))


def component(found: Any, name: str) -> Any:
    [only] = [each for each in found["components"] if each["name"] == name]
    return only


@pytest.mark.parametrize("kind", BillKind)
def test_a_bill_keeps_to_the_published_schema(kind: BillKind) -> None:
    text = CycloneDxJson().write(replace(BILL, kind=kind)).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_same_bill_gives_the_same_bytes_in_any_order() -> None:
    turned = replace(BILL, components=BILL.components[::-1])
    assert CycloneDxJson().write(BILL) == CycloneDxJson().write(turned)


def test_bills_of_different_images_have_different_serial_numbers() -> None:
    other = replace(BILL, digest=f"sha256:{'e' * 64}")
    assert document()["serialNumber"] != document(other)["serialNumber"]
    assert document()["metadata"]["timestamp"].startswith("2025-03-04T12:00:00")


def test_a_component_tells_licence_layer_and_what_its_lock_allows() -> None:
    told = component(document(), "starlette")
    assert told["licenses"] == [{"expression": "BSD-3-Clause"}]
    assert told["properties"] == [{"name": "shopkart:layer", "value": LAYER}]
    assert [each["location"] for each in told["evidence"]["occurrences"]] == [STARLETTE.places[0].path]
    [reference] = told["externalReferences"]
    assert {each["alg"] for each in reference["hashes"]} == {"SHA-256", "SHA-512"}
    assert component(document(), "anyio")["licenses"] == [{"license": {"name": "Anyio's"}}]
    assert {"name": "shopkart:source", "value": "glibc"} in component(document(), "libc6")["properties"]


def test_the_graph_begins_at_what_nothing_else_needs() -> None:
    graph = {each["ref"]: each.get("dependsOn", []) for each in document()["dependencies"]}
    assert graph[STARLETTE.purl] == [ANYIO.purl]
    assert graph[f"image:backend@{IMAGE}"] == sorted([LIBC.purl, SCOPED.purl, STARLETTE.purl])


def test_what_can_not_be_told_is_in_the_bill() -> None:
    properties = document()["metadata"]["properties"]
    assert {"name": "shopkart:note", "value": "What was copied in is unknown."} in properties


def test_packages_are_read_back_without_those_that_are_not_installed() -> None:
    installed = {each.package for each in (ANYIO, LIBC, SCOPED, STARLETTE)}
    assert set(CycloneDxJson().packages(CycloneDxJson().write(BILL))) >= installed
    assert component(document(), "colorama")["scope"] == "excluded"


def test_a_package_of_a_distribution_is_found_by_its_source_too() -> None:
    """Advisories of Debian are about `glibc` and not about `libc6`; who asks for it is not told that it is absent."""
    found = CycloneDxJson().packages(CycloneDxJson().write(replace(BILL, components=(LIBC,))))

    assert found == (PackageVersion("Debian", "glibc", "2.36-9+deb12u4"), LIBC.package)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"bomFormat": "SPDX"}',
        b'{"bomFormat": "CycloneDX", "components": [{"name": "x"}]}',
        b'{"bomFormat": "CycloneDX", "components": [{"purl": "no url"}]}',
        b'{"bomFormat": "CycloneDX", "components": 7}',
        b"[" * 100_000,
        CycloneDxJson().write(BILL)[:-20],
    ],
)
def test_what_is_no_bill_is_refused(content: bytes) -> None:
    with pytest.raises(UntrustedInput, match="no bill of materials"):
        CycloneDxJson().packages(content)
