"""What the signer puts its name to, and what it does not.

The signer knows nothing about a release and adds nothing to what it is given. But it signs no other kinds of statements
than the pipeline makes, none without the fields that make one worth something, none that is not written as we write it
(two writings of one thing would be two digests), and none that claims another moment than now.

Source: in-toto Attestation Framework, Statement v1; SLSA provenance v1 and verification summary v1, required fields;
in-toto test-result v0.1; CycloneDX 1.6.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from shopkart_pipeline.domain.attestation import (
    EVIDENCE_BUNDLE,
    LEDGER_HEAD,
    PROVENANCE,
    SBOM,
    STAGE_RESULT,
    TEST_RESULT,
    VERIFICATION,
    Statement,
    read_statement,
)
from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.domain.signed_moment import moment_of

CLOCK_TOLERANCE_SECONDS = 300.0
"""How far the moment that a statement names may be from the signer's clock."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    PROVENANCE: (
        "buildDefinition.buildType",
        "buildDefinition.externalParameters",
        "runDetails.builder.id",
        "runDetails.metadata.invocationId",
    ),
    VERIFICATION: ("verifier.id", "resourceUri", "policy.digest.sha256", "verificationResult"),
    SBOM: ("bomFormat", "specVersion", "components"),
    TEST_RESULT: ("result", "configuration"),
    STAGE_RESULT: ("service", "release", "stage", "run", "commit", "record", "finished_at", "outcome"),
    LEDGER_HEAD: ("sequence",),
    EVIDENCE_BUNDLE: (),
}


def signable(payload: bytes, now: datetime) -> Statement:
    """The statement in these bytes, if it may be signed now. Raises `Refused`, naming what is wrong with it."""
    try:
        statement = read_statement(payload)
        moment = moment_of(statement)
    except PipelineError as error:
        raise _refused(error.what) from None
    if statement.predicate_type not in _REQUIRED:
        raise _refused(f"predicates of type {statement.predicate_type[:200]!r} are not signed here")
    if not _DIGEST.fullmatch(statement.subject_digest) or not statement.subject_name:
        raise _refused("its subject has no name, or no SHA-256 digest")
    for path in _REQUIRED[statement.predicate_type]:
        if _at(statement.predicate, path) in (None, ""):
            raise _refused(f"its predicate has no {path}")
    if statement.to_bytes() != payload:
        raise _refused("it is not written in canonical form")
    off_seconds = abs((moment - now).total_seconds())
    if off_seconds > CLOCK_TOLERANCE_SECONDS:
        raise _refused(f"it says that it is of {moment.isoformat()}, which is {off_seconds:.0f} s off the clock")
    return statement


def _at(predicate: Mapping[str, Any], path: str) -> object:
    found: object = predicate
    for name in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = cast(Mapping[str, object], found).get(name)
    return found


def _refused(why: str) -> Refused:
    return Refused(f"The signer does not sign this statement: {why}.", "See docs/attestations.md for what it signs.")
