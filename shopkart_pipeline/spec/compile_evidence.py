"""The bucket for evidence: what has to be said of it, and what is filled in. Without the section there is none."""

from shopkart_pipeline.domain.evidence_bucket import EvidenceBucket, ObjectLockMode
from shopkart_pipeline.spec.encryption import check_encrypted
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.models.evidence import EvidenceSpec


def compile_evidence(spec: EvidenceSpec | None, faults: Faults) -> EvidenceBucket | None:
    """The declared bucket; its faults go to `faults`."""
    if spec is None:
        return None
    if spec.bucket is None:
        faults.add_missing(("evidence", "bucket"), "say which bucket keeps the evidence")
    if spec.region is None:
        faults.add_missing(("evidence", "region"), "say in which AWS region the bucket is, such as eu-central-1")
    check_encrypted(("evidence", "endpoint"), spec.endpoint, "S3", faults)
    defaults = EvidenceBucket("", None)
    return EvidenceBucket(
        bucket=spec.bucket or "",
        region=spec.region,
        prefix=spec.prefix or "",
        endpoint=spec.endpoint and spec.endpoint.rstrip("/"),
        lock=ObjectLockMode[spec.lock.upper()] if spec.lock else defaults.lock,
        retention_days=spec.retention_days or defaults.retention_days,
    )
