"""One asset per branch that releases come from, with a check for each thing that is declared about its protection.

Drift is a failed check with the setting to change. Rules that can't be read fail all checks and leave no
materialization: nobody may take an old answer for today's. Where no code host is declared there is nothing of this.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false

import hashlib
import re
from collections.abc import Iterator

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    Failure,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    TableColumn,
    TableRecord,
    TableSchema,
    asset,
    define_asset_job,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from shopkart_pipeline.domain.branch_policy import SETTINGS, BranchLine
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.services.check_branches import (
    BRANCH_PROTECTION,
    BranchReport,
    ReleaseBranch,
    check_branch,
    release_branches,
)
from shopkart_pipeline.services.platform import Platform

_UNSAFE = re.compile(r"[^A-Za-z0-9_]")
_DESCRIPTIONS = {
    "pull_request": "Changes come by pull requests alone.",
    "reviews": "As many people have to approve as declared.",
    "code_owners": "Code owners have to approve.",
    "code_owners_file": "CODEOWNERS is there and valid.",
    "dismiss_stale_reviews": "A push takes earlier approvals away.",
    "required_checks": "The pipeline's check and the declared ones have to pass.",
    "up_to_date": "Checks count for what is up to date with the branch.",
    "no_force_push": "History can't be rewritten.",
    "no_deletion": "The branch can't be deleted.",
    "signed_commits": "Commits are signed, where that is demanded.",
    "include_admins": "Nobody can get around the rules.",
}
_COLUMNS = ("setting", "wanted", "found", "ok", "fix")


def build_branch_protection(pipeline: Pipeline) -> tuple[list[AssetsDefinition], list[UnresolvedAssetJobDefinition]]:
    """The assets, and the job that looks at all of them; nothing where no code host is declared."""
    branches = release_branches(pipeline)
    if not branches:
        return [], []
    assets = [_asset(branch) for branch in branches]
    selection = AssetSelection.assets(*(asset.key for asset in assets))
    description = "Compares how branches are protected with what is declared."
    return assets, [define_asset_job(BRANCH_PROTECTION, selection=selection, description=description)]


def key_of(branch: ReleaseBranch) -> AssetKey:
    """`branch_protection/OWNER/NAME/BRANCH`; what Dagster takes no names of gets a number that tells it from others."""
    owner, _, name = branch.repository.partition("/")
    return AssetKey([BRANCH_PROTECTION, *(_safe(part) for part in (owner, name, branch.name))])


def _safe(part: str) -> str:
    safe = _UNSAFE.sub("_", part)
    return safe if safe == part else f"{safe}_{hashlib.sha256(part.encode()).hexdigest()[:6]}"


def _asset(branch: ReleaseBranch) -> AssetsDefinition:
    key = key_of(branch)

    @asset(
        key=key,
        check_specs=[AssetCheckSpec(name, asset=key, description=_DESCRIPTIONS[name]) for name in SETTINGS],
        description=f"How branch {branch.name} of {branch.repository} is protected.",
        group_name=BRANCH_PROTECTION,
        owners=sorted({owner for service in branch.services for owner in service.owners}),
        kinds={"github"},
    )
    def run(
        context: AssetExecutionContext, platform: ResourceParam[Platform]
    ) -> Iterator[MaterializeResult[object] | AssetCheckResult]:
        report = check_branch(platform, branch)
        if report.problem:
            yield from (_failed(key, name, report.problem) for name in SETTINGS)
            raise Failure(f"{branch} {report.words}", allow_retries=False)
        context.log.info("%s: %s", branch, report.words)
        checks = [_check(key, line) for line in report.lines]
        yield MaterializeResult(asset_key=key, metadata=_metadata(report), check_results=checks)

    return run


def _check(key: AssetKey, line: BranchLine) -> AssetCheckResult:
    told = {"wanted": line.wanted, "found": line.found} | ({"fix": line.fix} if line.fix else {})
    return AssetCheckResult(
        asset_key=key,
        check_name=line.setting,
        passed=line.is_met,
        severity=AssetCheckSeverity.ERROR,
        description=line.fix or f"{line.found} (declared: {line.wanted})",
        metadata={name: MetadataValue.text(words) for name, words in told.items()},
    )


def _failed(key: AssetKey, name: str, reason: str) -> AssetCheckResult:
    words = f"could not be read: {reason}"
    return AssetCheckResult(
        asset_key=key, check_name=name, passed=False, severity=AssetCheckSeverity.ERROR, description=words
    )


def _metadata(report: BranchReport) -> dict[str, MetadataValue]:
    rows = [
        TableRecord(
            {
                "setting": line.setting,
                "wanted": line.wanted,
                "found": line.found,
                "ok": "yes" if line.is_met else "no",
                "fix": line.fix,
            }
        )
        for line in report.lines
    ]
    schema = TableSchema(columns=[TableColumn(name) for name in _COLUMNS])
    return {
        "summary": MetadataValue.text(report.words),
        "drift": MetadataValue.int(len(report.drift)),
        "protection": MetadataValue.table(records=rows, schema=schema),
    }
