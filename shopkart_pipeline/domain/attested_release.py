"""Whether signed statements prove what a release rests on.

Each statement has to be about this image and this release: a right signature over another subject, another release's
statement about the same image, one of another repository, branch, commit or builder, and one that is too old prove
nothing, and each is named for what it is. What proves something has to be all that is needed: how the image came to be,
what is in it, and of each stage the very record that the evidence store shows. Both lists together are the reasons why
a release may not go on; no reason means that all is proved.

Modelled on slsa-verifier's checks of subject, builder, source and branch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.attestation import PROVENANCE, SBOM, STAGE_RESULT, TEST_RESULT, Statement
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.signed_moment import claims_of, moment_of, part_of

_CLOCK_TOLERANCE_SECONDS = 300.0
_BILLS = {"container": "image", "application": "application"}
"""What there is a bill of, by the type of its component in CycloneDX."""
_PASSED = "pass"
_PASSED_TESTS = "PASSED"


@dataclass(frozen=True)
class AttestedRelease:
    """What has to be proved of a release, and when."""

    service: str
    release: str
    repository: str
    branch: str
    commit: str
    digest: str
    builder: str
    now: datetime
    maximum_age_seconds: float

    def not_about(self, statement: Statement) -> str | None:
        """Why a statement proves nothing about this release; None where it counts."""
        if statement.subject_digest != self.digest:
            return f"is about the image {statement.subject_digest}, not {self.digest}"
        said = claims_of(statement)
        for name, wanted in (
            ("release", self.release),
            ("service", self.service),
            ("repository", self.repository),
            ("branch", self.branch),
            ("commit", self.commit),
        ):
            if said.get(name) != wanted:
                return f"is about {name} {str(said.get(name))[:200]}, not {wanted}"
        if statement.predicate_type == PROVENANCE:
            builder = _builder(statement)
            if builder != self.builder:
                return f"names builder {builder[:200]}, not {self.builder}"
        return self._not_fresh(statement)

    def _not_fresh(self, statement: Statement) -> str | None:
        try:
            age_seconds = (self.now - moment_of(statement)).total_seconds()
        except UntrustedInput:
            return "does not say when it was signed"
        if age_seconds < -_CLOCK_TOLERANCE_SECONDS:
            return f"is of the future ({-age_seconds:.0f} s): a clock is wrong"
        if age_seconds > self.maximum_age_seconds:
            return f"has expired: it is {age_seconds:.0f} s old (at most {self.maximum_age_seconds:.0f} s)"
        return None


@dataclass(frozen=True)
class NamedStatement:
    """A statement whose signature is right, and what its envelope is called."""

    name: str
    statement: Statement


@dataclass(frozen=True)
class Wanted:
    """What one signing stage must have stated."""

    records: Mapping[str, str]
    """By stage the digest of the record that the evidence store shows."""
    tests: frozenset[str]
    """Which of them are tests."""
    image: bool
    """Whether provenance and bills of materials are among it."""


def unproved(release: AttestedRelease, wanted: Wanted, signed: Sequence[NamedStatement]) -> list[str]:
    """Why the release is not proved by these statements, a line for each reason; empty where it is."""
    reasons: list[str] = []
    counted: list[Statement] = []
    for each in signed:
        why = release.not_about(each.statement)
        if why is None:
            counted.append(each.statement)
        else:
            reasons.append(f"{each.name} {why}")
    if wanted.image:
        reasons += _image_lacks(counted)
    results = {str(each.predicate.get("stage")): each for each in counted if each.predicate_type == STAGE_RESULT}
    for stage, record in wanted.records.items():
        reasons += _stage_lacks(stage, record, results.get(stage))
    tests = [each for each in counted if each.predicate_type == TEST_RESULT]
    tested = {_tested(each) for each in tests if each.predicate.get("result") == _PASSED_TESTS}
    reasons += [f"no statement that the tests of {stage} passed" for stage in sorted(wanted.tests - tested)]
    return reasons


def _image_lacks(counted: Sequence[Statement]) -> list[str]:
    kinds = [each.predicate_type for each in counted]
    lacks = [] if PROVENANCE in kinds else ["no provenance"]
    listed = {_billed(each) for each in counted if each.predicate_type == SBOM}
    return lacks + [f"no bill of materials of the {what}" for kind, what in _BILLS.items() if kind not in listed]


def _stage_lacks(stage: str, record: str, result: Statement | None) -> list[str]:
    if result is None:
        return [f"no statement about stage {stage}"]
    if result.predicate.get("record") != record:
        return [f"the record of {stage} in the evidence store is not the one that was signed"]
    outcome = result.predicate.get("outcome")
    return [] if outcome == _PASSED else [f"stage {stage} is stated as {str(outcome)[:50]}, not as passed"]


def _builder(statement: Statement) -> str:
    found = part_of(part_of(statement.predicate, "runDetails"), "builder").get("id")
    return found if isinstance(found, str) else "none"


def _billed(statement: Statement) -> str:
    return str(part_of(part_of(statement.predicate, "metadata"), "component").get("type"))


def _tested(statement: Statement) -> str:
    return str(claims_of(statement).get("stage"))
