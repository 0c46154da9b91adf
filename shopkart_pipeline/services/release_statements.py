"""Everything that is stated about the image of a release, each with the release that it is about.

In continuous integration: how the image came to be, what is in it, what its tests came to, and what each stage
established. In staging: the same of the stages there. A stage's statement names the digest of its whole record, so that
nobody can change the evidence store afterwards without being found out.

Source: in-toto test-result v0.1; CycloneDX 1.6; for names of ours `domain/signed_moment.py`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from shopkart_pipeline.domain.attestation import PROVENANCE, SBOM, STAGE_RESULT, TEST_RESULT, Statement
from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.declaration import Service, Stage, StageKind
from shopkart_pipeline.domain.evidence import Evidence, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.signed_moment import BOM_PROPERTY, RELEASE_FIELD
from shopkart_pipeline.domain.verdict import Outcome, Verdict
from shopkart_pipeline.services.describe_image import application_sbom, image_sbom
from shopkart_pipeline.services.judge_release import stage_lines, stages_before
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.provenance import packages_in, provenance, reports_of

TESTS = frozenset(
    {
        StageKind.UNIT_TESTS,
        StageKind.INTEGRATION_TESTS,
        StageKind.ACCEPTANCE_TESTS,
        StageKind.COMPATIBILITY,
    }
)


@dataclass(frozen=True)
class Named:
    """A statement, and the name of the report that its envelope becomes."""

    name: str
    statement: Statement


def image_statements(
    platform: Platform, release: Release, digest: str, records: Mapping[str, StageRecord], now: datetime
) -> list[Named]:
    """How the image came to be, and what is in it.

    Raises:
        PipelineError: it can't be told what is in it.
    """
    image, application = image_sbom(platform, release, digest), application_sbom(platform, release)
    made = provenance(platform, release, records, packages_in(application), now)
    return [
        Named("provenance", Statement(release.service, digest, PROVENANCE, made)),
        Named("image-sbom", _bill(release, digest, image, now)),
        Named("application-sbom", _bill(release, digest, application, now)),
    ]


def stage_statements(
    platform: Platform, release: Release, digest: str, records: Mapping[str, StageRecord], now: datetime
) -> list[Named]:
    """What each of these stages established, and of tests also in the form that others read."""
    service, made = platform.service(release.service), list[Named]()
    latest = platform.evidence.latest(release.service, release.key)
    for name, record in records.items():
        lines = stage_lines(platform, release, record, latest)
        outcome = Verdict(lines).outcome
        stated = {
            **about(release, now),
            "stage": name,
            "phase": service.stage(name).phase.value,
            "run": record.run_id,
            "record": digest_of(record),
            "started_at": record.started_at,
            "finished_at": record.finished_at,
            "produced_at": record.produced_at,
            "outcome": outcome.value,
            "policy": platform.pipeline.digest,
            "gates": [asdict(line) for line in lines],
            "reports": reports_of(name, record),
            **_established(record),
        }
        made.append(Named(name, Statement(release.service, digest, STAGE_RESULT, _plain(stated))))
        if service.stage(name).kind in TESTS:
            made.append(Named(f"{name}-result", _test_result(platform, release, digest, name, record, outcome, now)))
    return made


def attested_stages(service: Service, stage: Stage) -> list[str]:
    """The stages whose results a signing stage states: those of its phase that come before it. Whoever verifies expects
    the same."""
    return [name for name in stages_before(service, stage) if service.stage(name).phase is stage.phase]


def about(release: Release, now: datetime) -> dict[str, Any]:
    """What every statement about a release says."""
    return {
        "service": release.service,
        "release": release.key,
        "repository": release.repository,
        "branch": release.branch,
        "commit": release.sha,
        "signed_at": now.isoformat(),
    }


def _established(record: StageRecord) -> dict[str, Any]:
    result = record.result
    tool = None if result.tool is None else asdict(result.tool)
    if not isinstance(result, Evidence):
        return {"tool": tool, "summary": result.reason}
    return {"tool": tool, "summary": result.summary, "measures": result.measures, "notes": result.notes}


def _bill(release: Release, digest: str, bill: bytes, now: datetime) -> Statement:
    """A bill of materials with the release among the properties of its metadata."""
    content = json.loads(bill)
    metadata = content.setdefault("metadata", {})
    ours = [{"name": f"{BOM_PROPERTY}{name}", "value": value} for name, value in about(release, now).items()]
    metadata["properties"] = [*(metadata.get("properties") or ()), *ours]
    return Statement(release.service, digest, SBOM, content)


def _test_result(
    platform: Platform,
    release: Release,
    digest: str,
    stage: str,
    record: StageRecord,
    outcome: Outcome,
    now: datetime,
) -> Statement:
    url = platform.run_url(record.run_id)
    predicate = {
        "result": "PASSED" if outcome is Outcome.PASS else "FAILED",
        "configuration": [
            {"name": platform.pipeline.file.name, "digest": {"sha256": platform.pipeline.digest.partition(":")[2]}},
            *reports_of(stage, record),
        ],
        **({"url": url} if url else {}),
        RELEASE_FIELD: {**about(release, now), "stage": stage},
    }
    return Statement(release.service, digest, TEST_RESULT, predicate)


def _plain(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is no JSON: as the signer reads it, so it is signed."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in stated.items()}
