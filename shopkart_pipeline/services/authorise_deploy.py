"""May this digest go to production? The last word, spoken by the step that would do it.

Checks in a user interface show; this one enforces. It recomputes the verdict over every stage before production from
stored evidence under today's policy, asks the registry whether it holds that digest, and counts the approvals anew.
Pressing "materialize" by hand, skipping a stage or writing a report into the event log changes nothing about it.
"""

from dataclasses import dataclass

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import Outcome, Verdict
from shopkart_pipeline.services.approve_release import valid_approvals
from shopkart_pipeline.services.judge_release import image_digest, judge_release, phases_before
from shopkart_pipeline.services.platform import Platform


@dataclass(frozen=True)
class Authorisation:
    """Leave to deploy one digest, and on what it rests."""

    digest: str
    verdict: Verdict
    approvers: tuple[str, ...]


def authorise_deploy(platform: Platform, release: Release) -> Authorisation:
    """Leave to bring a release to production.

    Raises:
        Refused: naming every line that is not passed, and every approval that is missing.
    """
    service = platform.service(release.service)
    deployment = platform.deployment_of(service, Phase.PRODUCTION)
    verdict = judge_release(platform, release, phases_before(service, Phase.PRODUCTION))
    digest = image_digest(service, platform.evidence.latest(release.service, release.key))
    reasons = [result.line for result in verdict.blocking]
    if digest is None:
        reasons.append("image: missing: no image was built")
    elif not platform.registry.has(service.name, digest):
        reasons.append(f"registry: missing: {platform.registry.name} does not hold {digest}")
    approvers = valid_approvals(platform, release, deployment) if deployment.approvals else ()
    required = deployment.approvals.required if deployment.approvals else 0
    if len(approvers) < required:
        reasons.append(f"approval: missing: {len(approvers)} of {required} valid approvals")
    if digest is None or verdict.outcome is not Outcome.PASS or reasons:
        raise Refused(
            f"{release.name} may not go to {deployment.environment}: {'; '.join(reasons)}.",
            f"See `shopkart show {release.name}`; run what is missing, mend what failed, or ask for approval.",
        )
    return Authorisation(digest, verdict, approvers)
