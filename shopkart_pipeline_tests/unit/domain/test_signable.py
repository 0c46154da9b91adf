"""What the signer puts its name to: complete statements of the pipeline's kinds, about now, in one way of writing."""

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shopkart_pipeline.domain.attestation import (
    EVIDENCE_BUNDLE,
    LEDGER_HEAD,
    PROVENANCE,
    SBOM,
    STAGE_RESULT,
    TEST_RESULT,
    VERIFICATION,
    Statement,
)
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.signable import CLOCK_TOLERANCE_SECONDS, signable
from shopkart_pipeline.domain.signed_moment import RELEASE_FIELD

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MOMENT = NOW.isoformat()
WHOLE: Mapping[str, dict[str, Any]] = {
    PROVENANCE: {
        "buildDefinition": {"buildType": "https://shop.example/build", "externalParameters": {"commit": "c"}},
        "runDetails": {"builder": {"id": "b"}, "metadata": {"invocationId": "run-1", "finishedOn": MOMENT}},
    },
    VERIFICATION: {
        "verifier": {"id": "v"},
        "timeVerified": MOMENT,
        "resourceUri": "shop@sha256:a",
        "policy": {"digest": {"sha256": "p"}},
        "verificationResult": "PASSED",
    },
    SBOM: {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "components": [],
        "metadata": {"properties": [{"name": "shopkart:signed_at", "value": MOMENT}]},
    },
    TEST_RESULT: {"result": "PASSED", "configuration": [], RELEASE_FIELD: {"signed_at": MOMENT}},
    STAGE_RESULT: {
        **dict.fromkeys(("service", "release", "stage", "run", "commit", "record", "finished_at", "outcome"), "x"),
        "signed_at": MOMENT,
    },
    LEDGER_HEAD: {"sequence": 0, "signed_at": MOMENT},
    EVIDENCE_BUNDLE: {"signed_at": MOMENT},
}


def written(kind: str, predicate: Mapping[str, Any], digest: str = f"sha256:{'a' * 64}") -> bytes:
    return Statement("shop", digest, kind, predicate).to_bytes()


def paths(found: Mapping[str, Any], before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The way to each field."""
    ways = [(*before, name) for name in found]
    for name, value in found.items():
        ways += paths(value, (*before, name)) if isinstance(value, dict) else []
    return ways


FIELDS = [(kind, way) for kind, predicate in WHOLE.items() for way in paths(predicate)]


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_one_is_signed(kind: str) -> None:
    assert signable(written(kind, WHOLE[kind]), NOW).predicate_type == kind


@pytest.mark.parametrize(("kind", "way"), [each for each in FIELDS if each[1][-1] != "commit"])
def test_one_that_lacks_a_field_is_not(kind: str, way: tuple[str, ...]) -> None:
    predicate = deepcopy(WHOLE[kind])
    place = predicate
    for name in way[:-1]:
        place = place[name]
    del place[way[-1]]

    with pytest.raises(Refused, match=r"has no|does not say when"):
        signable(written(kind, predicate), NOW)


@pytest.mark.parametrize("kind", WHOLE)
def test_one_of_another_moment_is_not(kind: str) -> None:
    off = timedelta(seconds=CLOCK_TOLERANCE_SECONDS + 1)

    for now in (NOW - off, NOW + off):
        with pytest.raises(Refused, match="301 s off the clock"):
            signable(written(kind, WHOLE[kind]), now)


@pytest.mark.parametrize("digest", ["sha256:", f"sha256:{'A' * 64}", f"sha256:{'a' * 63}", f"sha256:{'a' * 64}\n"])
def test_one_about_no_digest_is_not(digest: str) -> None:
    with pytest.raises(Refused, match="no SHA-256 digest"):
        signable(written(LEDGER_HEAD, WHOLE[LEDGER_HEAD], digest), NOW)


def test_one_that_is_written_otherwise_is_not() -> None:
    found = json.loads(written(LEDGER_HEAD, WHOLE[LEDGER_HEAD]))
    two_subjects = {**found, "subject": found["subject"] * 2}

    with pytest.raises(Refused, match="canonical form"):
        signable(json.dumps(found, indent=1).encode(), NOW)
    with pytest.raises(Refused, match="canonical form"):
        signable(json.dumps({**found, "more": 1}, sort_keys=True, separators=(",", ":")).encode(), NOW)
    with pytest.raises(Refused, match="no in-toto statement"):
        signable(json.dumps(two_subjects).encode(), NOW)
    with pytest.raises(Refused, match="no in-toto statement"):
        signable(b"hello world", NOW)
