"""The stages that sign: what a phase has established about an image becomes statements in envelopes.

The order matters: all is stated and signed before anything is kept, each signature is verified as the deployment will
verify it, and only then the envelopes go beside the image in the registry and into the evidence store. Without a signer
there is no evidence. A registry that keeps nothing beside an image stops nobody, and the evidence says so: what the
deployment verifies is in the evidence store.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shopkart_pipeline.domain.attestation import ENVELOPE_MEDIA_TYPE, Envelope
from shopkart_pipeline.domain.declaration import Stage, StageKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, StageRecord, Tool, ToolRun
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.signed_moment import moment_of
from shopkart_pipeline.known_secrets import masked_data
from shopkart_pipeline.ports.confinement import NotConfined
from shopkart_pipeline.services.attach_envelope import attach_envelopes
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.release_statements import Named, attested_stages, image_statements, stage_statements

TOOL = Tool("in-toto attestations", "1")
ENVELOPE_SUFFIX = ".dsse.json"


@dataclass(frozen=True)
class Signed:
    """A statement in its envelope."""

    named: Named
    envelope: Envelope
    key_id: str

    @property
    def raw(self) -> RawReport:
        """The envelope as it is kept."""
        return RawReport(f"{self.named.name}{ENVELOPE_SUFFIX}", ENVELOPE_MEDIA_TYPE, self.envelope.to_bytes())


def attest_phase(platform: Platform, release: Release, stage: Stage, digest: str | None) -> ToolRun:
    """Sign what the stages before this one in its phase established.

    Raises:
        PipelineError: something can't be stated, or the signer does not sign it.
    """
    if platform.attestor is None or platform.envelopes is None:
        return ToolRun(EvidenceMissing("nobody signs here: no signer is wired", TOOL))
    if digest is None:
        return ToolRun(EvidenceMissing("there is no image that anything could be stated about", TOOL))
    records, now = attested_records(platform, release, stage), platform.clock.now()
    named = image_statements(platform, release, digest, records, now) if stage.kind is StageKind.ATTESTATIONS else []
    named += stage_statements(platform, release, digest, records, now)
    if not named:
        return ToolRun(EvidenceMissing("no stage before this one in its phase has a result", TOOL))
    signed = sign_all(platform, named)
    attached, notes = attach_all(platform, release, digest, signed)
    key = signed[0].key_id
    evidence = Evidence(
        tool=Tool(TOOL.name, TOOL.version, f"key {key}"),
        summary=f"{len(signed)} statements about {digest} signed with key {key[:12]}",
        measures={"statements": float(len(signed)), "attached": float(attached)},
        facts={"digest": digest, "statements": ", ".join(each.named.name for each in signed), "key": key},
        notes=(*notes, *_unconfined(platform)),
    )
    return ToolRun(evidence, tuple(each.raw for each in signed))


def _unconfined(platform: Platform) -> tuple[str, ...]:
    """A note where the project's code could have reached what the pipeline keeps for itself."""
    found = platform.confinement()
    return (f"Commands are not confined here: {found.reason}.",) if isinstance(found, NotConfined) else ()


def attested_records(platform: Platform, release: Release, stage: Stage) -> dict[str, StageRecord]:
    """The records that a stage of this kind signs, by stage."""
    latest = platform.evidence.latest(release.service, release.key)
    names = attested_stages(platform.service(release.service), stage)
    return {name: latest[name] for name in names if name in latest}


def sign_all(platform: Platform, named: Sequence[Named]) -> list[Signed]:
    """Each in an envelope that verifies. Raises `PipelineError` where one is not signed, or by no trusted key.

    Secrets are masked before: inside of an envelope they would be in the registry as they are, and masking the envelope
    in the evidence store would break it.
    """
    if platform.attestor is None or platform.envelopes is None:
        return []
    signed: list[Signed] = []
    for one in named:
        each = replace(one, statement=masked_data(one.statement))
        envelope = platform.attestor.sign(each.statement)
        verified = platform.envelopes.verified(envelope, moment_of(each.statement))
        signed.append(Signed(each, envelope, verified.key_id))
    return signed


def attach_all(
    platform: Platform, release: Release, digest: str, signed: Sequence[Signed]
) -> tuple[int, tuple[str, ...]]:
    """Keep the envelopes beside the image; how many surely are, and why others may not be."""
    envelopes = [(each.envelope, each.named.statement.predicate_type) for each in signed]
    try:
        attached = attach_envelopes(platform.registry, release.service, digest, envelopes)
    except PipelineError as error:
        names = ", ".join(each.named.name for each in signed)
        return 0, (f"Not, or not all, beside the image in the registry: {names}. {error.what}",)
    return len(attached.digests), () if attached.note is None else (attached.note,)
