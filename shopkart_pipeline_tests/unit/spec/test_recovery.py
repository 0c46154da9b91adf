"""Backups as declared: which keys go with which kind, and whether a drill can show what it is for."""

import re
from pathlib import Path

import pytest

from shopkart_pipeline.domain.backup import BackedUp, BackupPlace, Engine, Recovery, StoreKind
from shopkart_pipeline.domain.retention import Retention
from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST, faults_of, one_fault_of, pipeline_of

_WITH_DATABASE = SMALLEST.replace(
    "workload: {command: [python, -m, catalog]}",
    'workload: {command: [python, -m, catalog], variables: {DATABASE_URL: "{database_url}"}}',
)


def _declared(folder: Path, recovery: str) -> Recovery:
    return pipeline_of(folder, f"{_WITH_DATABASE}recovery: {{{recovery}}}\n").recovery


def test_without_a_word_the_pipelines_own_stores_are_backed_up_on_disk(tmp_path: Path) -> None:
    assert pipeline_of(tmp_path, SMALLEST).recovery == Recovery(
        BackupPlace(), Retention(7, 4, 12), {"pipeline": BackedUp("pipeline")}
    )


def test_a_database_says_where_it_is_and_what_a_drill_has_to_show(tmp_path: Path) -> None:
    shop = "{environment: production, service: catalog, smoke: [/catalogue], rpo: 2h, rto: 10m, timeout: 1h}"
    recovery = _declared(tmp_path, f"retention: {{daily: 3}}, databases: {{shop: {shop}, orders: {{}}}}")

    assert recovery.retention == Retention(3, 4, 12)
    assert recovery.databases["shop"] == BackedUp(
        "shop", "production", "catalog", ("/catalogue",), 7200.0, 600.0, 3600.0
    )
    assert recovery.databases["orders"] == BackedUp("orders")
    assert [each.engine for each in recovery.databases.values()] == [Engine.SQLITE, *[Engine.POSTGRESQL] * 2]


def test_a_folder_is_beside_the_declaration_or_in_the_home(tmp_path: Path) -> None:
    assert _declared(tmp_path, "store: {folder: ../backups}").place.folder == tmp_path / "../backups"
    assert _declared(tmp_path, "store: {folder: '{home}/b'}").place.folder == Path("/srv/shopkart/b")


def test_a_bucket_is_named_with_its_region(tmp_path: Path) -> None:
    place = _declared(tmp_path, "store: {kind: s3, bucket: shop-backups, prefix: nightly/, region: eu-central-1}").place

    assert place == BackupPlace(StoreKind.S3, None, "shop-backups", "nightly/", "eu-central-1")


FAULTS = [
    ("store: {kind: s3, region: eu-central-1}", "recovery.store.bucket", "say which bucket"),
    ("store: {kind: s3, bucket: shop-backups}", "recovery.store.region", "say in which AWS region"),
    ("store: {bucket: shop-backups}", "recovery.store.bucket", "a store of kind disk does not have this key"),
    (
        "store: {kind: s3, bucket: b-1, region: eu-central-1, folder: x}",
        "recovery.store.folder",
        "a store of kind s3 does not have this key",
    ),
    ("store: {kind: s3, bucket: B, region: eu-central-1}", "recovery.store.bucket", "is not the name of a bucket"),
    (
        "store: {kind: s3, bucket: b-1, region: eu-central-1, endpoint: 'http://s3.example'}",
        "recovery.store.endpoint",
        "encrypt|http",
    ),
    ("store: {folder: '{hom}/b'}", "recovery.store.folder", "hom"),
    ("databases: {shop: {environment: prod}}", "recovery.databases.shop.environment", "no environment prod"),
    ("databases: {shop: {service: shop, smoke: [/]}}", "recovery.databases.shop.service", "no service shop"),
    ("databases: {shop: {service: catalog}}", "recovery.databases.shop.smoke", "say which paths"),
    ("databases: {shop: {smoke: [/]}}", "recovery.databases.shop.service", "say which service"),
    ("databases: {shop: {rto: 0}}", "recovery.databases.shop.rto", "longer than zero"),
    ("databases: {pipeline: {environment: production}}", "recovery.databases.pipeline.environment", "own stores"),
    ("retention: {daily: 0}", "recovery.retention.daily", "1"),
]


@pytest.mark.parametrize(("recovery", "path", "message"), FAULTS)
def test_what_can_not_be_is_a_fault_at_its_place(tmp_path: Path, recovery: str, path: str, message: str) -> None:
    fault = one_fault_of(tmp_path, f"{_WITH_DATABASE}recovery: {{{recovery}}}\n")

    assert fault.path == path
    assert re.search(message, fault.message)


def test_a_service_that_would_not_use_what_was_restored_shows_nothing(tmp_path: Path) -> None:
    fault = one_fault_of(tmp_path, f"{SMALLEST}recovery: {{databases: {{shop: {{service: catalog, smoke: [/]}}}}}}\n")

    assert (fault.path, fault.message[:34]) == (
        "recovery.databases.shop.service",
        "none of catalog's variables holds {database_url}"[:34],
    )


def test_elsewhere_than_on_the_embedded_platform_the_address_is_a_setting(tmp_path: Path) -> None:
    environments = "environments: {staging: {}, production: {platform: kubernetes, options: {context: x}}}\n"
    recovery = "recovery: {databases: {the-shop: {environment: production}}}\n"

    messages = [fault.message for fault in faults_of(tmp_path, SMALLEST + environments + recovery)]
    assert any("take this away and set SHOPKART_DATABASE_THE_SHOP" in message for message in messages)
