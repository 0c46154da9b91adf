"""The bucket for evidence: what has to be said, and what is filled in."""

from pathlib import Path

import pytest

from shopkart_pipeline.domain.evidence_bucket import EvidenceBucket, ObjectLockMode
from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST, faults_of, pipeline_of


def test_without_a_word_evidence_is_at_home_alone(tmp_path: Path) -> None:
    assert pipeline_of(tmp_path, SMALLEST).evidence_bucket is None


def test_a_bucket_is_locked_for_more_than_a_year_unless_said_otherwise(tmp_path: Path) -> None:
    declared = pipeline_of(tmp_path, f"{SMALLEST}evidence: {{bucket: shop-evidence, region: eu-central-1}}\n")

    expected = EvidenceBucket("shop-evidence", "eu-central-1", "", None, ObjectLockMode.COMPLIANCE, 400)
    assert declared.evidence_bucket == expected


def test_all_of_it_can_be_said(tmp_path: Path) -> None:
    text = "bucket: shop-evidence, region: eu-central-1, prefix: pipeline/, lock: governance, retention_days: 30"

    declared = pipeline_of(tmp_path, f"{SMALLEST}evidence: {{{text}}}\n").evidence_bucket

    expected = EvidenceBucket("shop-evidence", "eu-central-1", "pipeline/", None, ObjectLockMode.GOVERNANCE, 30)
    assert declared == expected


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("{}", ["evidence.bucket", "evidence.region"]),
        (
            "{bucket: B, region: r, retention_days: 0}",
            ["evidence.bucket", "evidence.region", "evidence.retention_days"],
        ),
        (
            "{bucket: evidence, region: eu-central-1, endpoint: 'http://s3.example'}",
            ["evidence.endpoint"],
        ),
    ],
)
def test_what_is_missing_or_wrong_is_named(tmp_path: Path, text: str, places: list[str]) -> None:
    assert sorted(fault.path for fault in faults_of(tmp_path, f"{SMALLEST}evidence: {text}\n")) == places
