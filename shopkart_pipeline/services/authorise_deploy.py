"""May this digest go to production? The last word, spoken by the step that would do it.

Checks in a user interface show; this one enforces. It recomputes the verdict over every stage before production from
stored evidence under today's policy, verifies that what was signed about the release proves it (`verify_attestations`),
asks the registry whether it holds that digest, counts the approvals anew, and looks whether compatibility was tested
with what runs now, the release has soaked in staging, the services that it depends on are in production, no freeze is
on, and the database still has what the release needs.
Evidence is read once, so that verdict, digest and approvals are about one state of things, and the digest that is
returned is the one to deploy. Approvals from before the release was last turned back don't count: whoever gave them
did not know. Pressing "materialize" by hand, skipping a stage or writing a report into the event log changes nothing
about it. A refusal for nothing but what is over by itself one day is a class of its own: `ask_again` waits for that.
"""

from dataclasses import dataclass

from shopkart_pipeline.domain.awaited import Awaited
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import NotYet, Refused, ToolUnavailable
from shopkart_pipeline.domain.evidence import Report
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import Outcome, Verdict
from shopkart_pipeline.services.approve_release import weigh_approvals
from shopkart_pipeline.services.check_compatibility import compatibility_lines
from shopkart_pipeline.services.contracted import behind_contract
from shopkart_pipeline.services.judge_release import image_digest, judge_records, phases_before
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.verify_attestations import attestation_lines, envelopes_among
from shopkart_pipeline.services.wait_before_deploy import awaited
from shopkart_pipeline.services.weigh_freeze import weigh_freeze


@dataclass(frozen=True)
class Authorisation:
    """Leave to deploy one digest, and on what it rests."""

    digest: str
    verdict: Verdict
    approvers: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    """Freezes that are on, and who agreed to go on all the same, one line each."""
    statements: tuple[Report, ...] = ()
    """The envelopes that were verified."""


def authorise_deploy(platform: Platform, release: Release) -> Authorisation:
    """Leave to bring a release to production.

    Raises:
        NotYet: what is awaited is over by itself one day, and nothing else is missing.
        Refused: naming every line that is not passed, and every approval that is missing or does not count.
    """
    service = platform.service(release.service)
    deployment = platform.deployment_of(service, Phase.PRODUCTION)
    records = platform.evidence.latest(release.service, release.key)
    verdict = judge_records(platform, release, phases_before(service, Phase.PRODUCTION), records)
    digest = image_digest(service, records)
    reasons = [result.line for result in verdict.blocking]
    approvals = weigh_approvals(platform, release, deployment, records)
    if len(approvals.approvers) < approvals.required:
        counted = f"{len(approvals.approvers)} of {approvals.required} valid approvals"
        reasons.append("; ".join([f"approval: missing: {counted}", *approvals.rejected]))
    reasons += compatibility_lines(platform, release, records)
    if digest is None:
        reasons.append("image: missing: no image was built")
    else:
        reasons += attestation_lines(platform, release, digest, records)
    waits = [*(_not_in_registry(platform, release, digest) if digest else ()), *awaited(platform, release)]
    frozen, overrides = weigh_freeze(platform, release, deployment, records)
    waits += frozen
    behind = behind_contract(platform, release.service, deployment.environment, release.key)
    reasons += [behind] if behind is not None else []
    what = f"{release.name} may not go to {deployment.environment}"
    lines = [*reasons, *(each.line for each in waits)]
    if digest is None or verdict.outcome is not Outcome.PASS or reasons or not all(each.passes for each in waits):
        raise Refused(
            f"{what}: {'; '.join(lines) or 'nothing was judged'}.",
            f"See `shopkart show {release.name}`; run what is missing, mend what failed, or ask for approval.",
        )
    if waits:
        raise NotYet(f"{what}: {'; '.join(lines)}.", "Production is asked for again once that is over.")
    statements = envelopes_among(service, records)
    return Authorisation(digest, verdict, approvals.approvers, overrides, statements)


def _not_in_registry(platform: Platform, release: Release, digest: str) -> list[Awaited]:
    try:
        if platform.registry.has(release.service, digest):
            return []
    except ToolUnavailable as error:
        return [Awaited(f"registry: missing: {error.what}")]
    return [Awaited(f"registry: missing: {platform.registry.name} does not hold {digest}", passes=False)]
