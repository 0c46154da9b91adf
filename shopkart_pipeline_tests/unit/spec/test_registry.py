"""The registry: which keys go with which kind, what is filled in, and what may not be written."""

import re
from pathlib import Path

import pytest

from shopkart_pipeline.domain.registry import Registry, RegistryKind, RegistryScanning
from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST, faults_of, one_fault_of, pipeline_of

_DISK = Registry(RegistryKind.DISK, scanning=RegistryScanning.OFF, scanning_reason="a registry on disk does not scan")


def _declared(folder: Path, registry: str) -> Registry:
    return pipeline_of(folder, f"{SMALLEST}registry: {{{registry}}}\n").registry


def test_without_a_word_images_are_kept_on_disk(tmp_path: Path) -> None:
    assert pipeline_of(tmp_path, SMALLEST).registry == _DISK


def test_a_server_is_named_by_its_address_and_does_not_scan(tmp_path: Path) -> None:
    registry = _declared(tmp_path, "kind: oci, address: 'https://registry.example:5000/', prefix: shop/team/")

    assert (registry.kind, registry.address) == (RegistryKind.OCI, "https://registry.example:5000")
    assert registry.prefix == "shop/team/"
    assert registry.scanning is RegistryScanning.OFF
    assert registry.scanning_reason == "the distribution protocol knows no scans"


def test_the_scan_of_ecr_is_required_unless_said_otherwise(tmp_path: Path) -> None:
    registry = _declared(tmp_path, "kind: ecr, region: eu-central-1, account: '123456789012'")

    assert registry == Registry(
        RegistryKind.ECR,
        region="eu-central-1",
        account="123456789012",
        scanning=RegistryScanning.REQUIRED,
        scanning_reason="",
    )
    shown = _declared(tmp_path, "kind: ecr, region: us-gov-west-1, scan: shown")
    assert shown.scanning is RegistryScanning.SHOWN


def test_the_scan_of_ecr_is_left_out_with_a_reason(tmp_path: Path) -> None:
    registry = _declared(tmp_path, "kind: ecr, region: eu-central-1, scan: 'off', reason: see SHOP-7")

    assert (registry.scanning, registry.scanning_reason) == (RegistryScanning.OFF, "see SHOP-7")


@pytest.mark.parametrize("address", ["http://127.0.0.1:5000", "http://localhost:5000", "http://[::1]:5000"])
def test_this_machine_needs_no_encryption(tmp_path: Path, address: str) -> None:
    assert _declared(tmp_path, f"kind: oci, address: '{address}'").address == address


FAULTS = [
    ("kind: oci", "registry.address", "say where the registry is"),
    ("kind: ecr", "registry.region", "say in which AWS region"),
    ("kind: erc, region: eu-central-1", "registry.kind", "did you mean ecr?"),
    ("knd: ecr, region: eu-central-1, scan: shown", "registry.knd", "unknown key; did you mean kind?"),
    ("kind: oci, address: 'http://registry.example'", "registry.address", "without encryption"),
    ("kind: oci, address: 'http://127.0.0.1.example'", "registry.address", "without encryption"),
    ("kind: ecr, region: eu-central-1, endpoint: 'http://aws.example'", "registry.endpoint", "without encryption"),
    ("kind: oci, address: registry.example", "registry.address", "is not a server's address"),
    ("kind: oci, address: 'https://registry.example/v2'", "registry.address", "is not a server's address"),
    ("kind: oci, address: 'https://registry.example?x=1'", "registry.address", "is not a server's address"),
    ("address: 'https://registry.example'", "registry.address", "only a registry of kind oci has this key, not disk"),
    ("kind: oci, address: 'https://r.example', region: eu-central-1", "registry.region", "of kind ecr has this key"),
    ("kind: ecr, region: Frankfurt", "registry.region", "is not an AWS region, such as eu-central-1"),
    ("kind: ecr, region: eu-central-1, account: 123456789012", "registry.account", 'write "123456789012" in quotes'),
    ("kind: ecr, region: eu-central-1, account: '1234'", "registry.account", "the twelve digits of an AWS account"),
    ("prefix: shop", "registry.prefix", "with / at its end"),
    ("prefix: Shop/", "registry.prefix", "lower-case letters"),
    ("prefix: ../", "registry.prefix", "lower-case letters"),
    ("scan: required", "registry.scan", "a registry on disk does not scan; take `scan` away"),
    (
        "kind: oci, address: 'https://r.example', scan: shown",
        "registry.scan",
        "the distribution protocol knows no scans; take `scan` away",
    ),
    ("kind: ecr, region: eu-central-1, scan: 'off'", "registry.reason", "say why the registry's scan is left out"),
    ("kind: ecr, region: eu-central-1, reason: because", "registry.reason", "why `scan` is `off`, and it is not"),
    ("kind: ecr, region: eu-central-1, scan: false", "registry.scan", "is not possible here"),
]


@pytest.mark.parametrize(("declared", "path", "words"), FAULTS)
def test_a_fault_of_the_registry_names_its_place(tmp_path: Path, declared: str, path: str, words: str) -> None:
    fault = one_fault_of(tmp_path, f"{SMALLEST}registry: {{{declared}}}\n")

    assert (fault.line, fault.path) == (9, path)
    assert words in fault.message


def test_a_password_in_an_address_is_refused_and_not_repeated(tmp_path: Path) -> None:
    fault = one_fault_of(tmp_path, f"{SMALLEST}registry: {{kind: oci, address: 'https://me:s3cret@r.example'}}\n")

    assert fault.path == "registry.address"
    assert "s3cret" not in str(fault)


def test_the_faults_of_a_registry_come_together(tmp_path: Path) -> None:
    faults = faults_of(
        tmp_path, f"{SMALLEST}registry:\n  kind: ecr\n  address: 'https://r.example'\n  prefix: shop\n  scan: 'off'\n"
    )

    assert [(fault.line, fault.path) for fault in faults] == [
        (9, "registry.reason"),
        (9, "registry.region"),
        (11, "registry.address"),
        (12, "registry.prefix"),
    ]


def test_the_examples_of_the_documentation_are_valid(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "registry.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)

    declared = [pipeline_of(tmp_path, SMALLEST + block).registry for block in blocks]

    assert [registry.kind for registry in declared] == [RegistryKind.DISK, RegistryKind.OCI, RegistryKind.ECR]
