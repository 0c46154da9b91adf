"""What the scans of a past release would find with today's advisories, from its stored bill of materials alone.

Today's advisories are added to what a scan found then; none of that is taken away, since the scanner may have known
more than a snapshot does. What is found today and was not found then is new, unless the packages of what production had
at that moment have it, too. A scan that left no evidence then has none today, and one of an image without a bill can't
be repeated.
"""

from collections.abc import Collection
from dataclasses import replace

from shopkart_pipeline.domain.declaration import Stage
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, StageRecord
from shopkart_pipeline.domain.plain_text import plain


def scanned_again(record: StageRecord, stage: Stage, found_today: Evidence | EvidenceMissing) -> StageRecord:
    """The record of a scan as it would be today.

    Args:
        record: what the scan left then.
        stage: as the policy has it.
        found_today: what today's advisories say about the packages of the release.
    """
    then = record.result
    if isinstance(then, EvidenceMissing):
        return record
    if isinstance(found_today, EvidenceMissing):
        return replace(record, result=EvidenceMissing(f"{stage.name} can't be repeated: {found_today.reason}"))
    findings = _together(then.findings, found_today.findings)
    packages = [each for each in findings if each.package is not None]
    counts = {
        "vulnerabilities": float(len(packages)),
        "new_vulnerabilities": float(sum(each.is_new for each in packages)),
    }
    return replace(
        record,
        result=replace(
            then,
            measures={**then.measures, **found_today.measures, **counts},
            findings=findings,
            summary=plain(f"{then.summary}; today {found_today.summary}"),
        ),
    )


def _together(then: Collection[Finding], today: Collection[Finding]) -> tuple[Finding, ...]:
    """What was found then, with what is known of it today; and what is only known today."""
    known = [_same(finding, today) for finding in then]
    merged = [
        finding
        if now is None
        else replace(now, is_new=finding.is_new, fingerprint=finding.fingerprint, rule=finding.rule)
        for finding, now in zip(then, known, strict=True)
    ]
    seen = {id(each) for each in known if each is not None}
    return (*merged, *(each for each in today if id(each) not in seen))


def _same(finding: Finding, today: Collection[Finding]) -> Finding | None:
    """The same vulnerability as it is known today, under whatever name; None where it is not."""
    if finding.package is None:
        return None
    for each in today:
        if each.package == finding.package and (
            each.rule == finding.rule or finding.rule in each.message or each.rule in finding.message
        ):
            return each
    return None
