"""The declaration by which a release went to production is kept with it, word for word.

Declarations change; who asks months later why a release was allowed has to be shown the policy of that day, not
today's. It is a raw report under its digest, which the signed verification summary names.
"""

import hashlib

from shopkart_pipeline.domain.attestation import ENVELOPE_MEDIA_TYPE, VERIFICATION, read_envelope, read_statement
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import RawReport
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.platform import Platform

_NAME, _MEDIA_TYPE = "declaration.yaml", "application/yaml"


def declaration_report(platform: Platform) -> tuple[RawReport, ...]:
    """The declaration that is in force; nothing where its file was changed since it was read."""
    text = _text_of_file(platform)
    return () if text is None else (RawReport(_NAME, _MEDIA_TYPE, text),)


def declaration_text(platform: Platform) -> bytes | None:
    """The text that the platform's declaration was compiled from; None where nobody has it any more."""
    text = _text_of_file(platform)
    if text is not None:
        return text
    try:
        return platform.evidence.get_report(platform.pipeline.digest)
    except PipelineError:
        return None


def policy_in_force(platform: Platform, release: Release) -> str | None:
    """Digest of the declaration by which a release went to production, as the summary says; None where none does."""
    stage = platform.service(release.service).stage_of(StageKind.PRODUCTION)
    record = platform.evidence.latest(release.service, release.key).get(stage.name) if stage is not None else None
    reports = () if record is None else record.result.reports
    for report in reversed([each for each in reports if each.media_type == ENVELOPE_MEDIA_TYPE]):
        try:
            statement = read_statement(read_envelope(platform.evidence.get_report(report.digest)).payload)
            if statement.predicate_type == VERIFICATION:
                return f"sha256:{statement.predicate['policy']['digest']['sha256']}"
        except (PipelineError, KeyError, TypeError):
            continue
    return None


def _text_of_file(platform: Platform) -> bytes | None:
    try:
        text = platform.pipeline.file.read_bytes()
    except OSError:
        return None
    return text if f"sha256:{hashlib.sha256(text).hexdigest()}" == platform.pipeline.digest else None
