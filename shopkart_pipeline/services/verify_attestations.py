"""Before production: are the statements about a release signed by us, about it, whole, and true to the evidence?

The envelopes are read from the evidence store by the digests that the signing stages recorded, and each is verified
against the keys that are trusted, at the moment that it names itself; only the bytes that were verified are read on.
Then `domain/attested_release.py` says what is not proved. A service that leaves the signing stages out, which every
verdict says with the reason, has nothing to verify.

A rollback goes to an image that was verified when it was promoted. Its provenance is verified again, without asking how
old it is; where that can't be done it is said, and nobody is kept from going back.
"""

from collections.abc import Mapping

from shopkart_pipeline.domain.attestation import (
    ENVELOPE_MEDIA_TYPE,
    PROVENANCE,
    Statement,
    read_envelope,
    read_statement,
)
from shopkart_pipeline.domain.attested_release import AttestedRelease, NamedStatement, Wanted, unproved
from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.declaration import ATTESTING, Service, Stage, StageKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence, Report, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.signed_moment import moment_of
from shopkart_pipeline.ports.attestor import EnvelopeVerifier
from shopkart_pipeline.services.judge_release import MAXIMUM_EVIDENCE_AGE_SECONDS
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.provenance import builder_of
from shopkart_pipeline.services.release_statements import TESTS, attested_stages

_EVER = float("inf")


def attestation_lines(
    platform: Platform, release: Release, digest: str, records: Mapping[str, StageRecord]
) -> list[str]:
    """Why the release is not proved, a line for each reason; empty where all is, and where nothing has to be.

    Args:
        platform: the ports.
        release: what is to go to production.
        digest: its image.
        records: its newest records, as they are judged.
    """
    service = platform.service(release.service)
    expected = _expected(platform, release, digest, MAXIMUM_EVIDENCE_AGE_SECONDS)
    lines: list[str] = []
    for stage in service.stages:
        if stage.kind in ATTESTING:
            reasons = _reasons(platform, expected, stage, records)
            lines += [f"{stage.name}: {reason}" for reason in reasons]
    return lines


def envelopes_among(service: Service, records: Mapping[str, StageRecord]) -> tuple[Report, ...]:
    """What `attestation_lines` verifies of these records."""
    signing = [stage.name for stage in service.stages if stage.kind in ATTESTING and stage.name in records]
    return tuple(
        report
        for name in signing
        for report in records[name].result.reports
        if report.media_type == ENVELOPE_MEDIA_TYPE
    )


def provenance_line(platform: Platform, release: Release, digest: str) -> str | None:
    """Why the provenance of a release that was in production is not proved; None where it is."""
    stage = platform.service(release.service).stage_of(StageKind.ATTESTATIONS)
    if stage is None:
        return None  # The declaration leaves signing out.
    record = platform.evidence.latest(release.service, release.key).get(stage.name)
    if record is None or not isinstance(record.result, Evidence):
        return "nobody signed its provenance"
    expected = _expected(platform, release, digest, _EVER)
    signed, reasons = _verified(platform, record.result.reports)
    made = [each for each in signed if each.statement.predicate_type == PROVENANCE]
    reasons += [f"{each.name} {why}" for each in made if (why := expected.not_about(each.statement)) is not None]
    return "; ".join(reasons) or (None if made else "there is no provenance among what was signed")


def _expected(platform: Platform, release: Release, digest: str, maximum_age_seconds: float) -> AttestedRelease:
    service = platform.service(release.service)
    return AttestedRelease(
        service=service.name,
        release=release.key,
        repository=service.source.repository,
        branch=service.source.branch,
        commit=release.sha,
        digest=digest,
        builder=builder_of(service),
        now=platform.clock.now(),
        maximum_age_seconds=maximum_age_seconds,
    )


def _reasons(
    platform: Platform, expected: AttestedRelease, stage: Stage, records: Mapping[str, StageRecord]
) -> list[str]:
    record = records.get(stage.name)
    if record is None or not isinstance(record.result, Evidence):
        return ["missing: nothing was signed"]
    service = platform.service(expected.service)
    names = attested_stages(service, stage)
    wanted = Wanted(
        records={name: digest_of(records[name]) if name in records else "none" for name in names},
        tests=frozenset(name for name in names if service.stage(name).kind in TESTS),
        image=stage.kind is StageKind.ATTESTATIONS,
    )
    signed, reasons = _verified(platform, record.result.reports)
    return reasons + unproved(expected, wanted, signed)


def _verified(platform: Platform, reports: tuple[Report, ...]) -> tuple[list[NamedStatement], list[str]]:
    """The statements in envelopes that verify, and why others don't."""
    if platform.envelopes is None:
        return [], ["missing: nobody verifies signatures here"]
    signed: list[NamedStatement] = []
    reasons: list[str] = []
    for report in reports:
        if report.media_type != ENVELOPE_MEDIA_TYPE:
            continue
        try:
            signed.append(NamedStatement(report.name, _statement(platform, platform.envelopes, report)))
        except PipelineError as error:
            reasons.append(f"{report.name}: {error.what}")
    return signed, reasons


def _statement(platform: Platform, verifier: EnvelopeVerifier, report: Report) -> Statement:
    envelope = read_envelope(platform.evidence.get_report(report.digest))
    # The moment is read before the bytes are trusted, and counts only if a key signed them that was trusted then.
    moment = moment_of(read_statement(envelope.payload))
    return verifier.verified(envelope, moment).statement
