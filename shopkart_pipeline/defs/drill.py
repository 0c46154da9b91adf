"""The drill by the clock: an asset with a check for each score, there only where `schedules.drill` is declared.

The drill is `shopkart drill`, in a process of its own with nothing of this one's environment: it starts a whole
platform beside the real one and ends it again. A drill that did not run, or left no scores, fails every check.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    Failure,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    ScheduleDefinition,
    asset,
    define_asset_job,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from shopkart_pipeline.adapters._process import Command, run
from shopkart_pipeline.defs.incidents import INCIDENTS
from shopkart_pipeline.defs.schedules import declared_schedules
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.engine.places import GROUP_TAG, NO_LIMIT
from shopkart_pipeline.services.platform import Platform

DRILL, NAME = "drill", "redis_serialization"
KEY = AssetKey([DRILL, NAME])
_PROGRAM = "from shopkart_pipeline.cli.main import main; main()"
_TIMEOUT_SECONDS = 1200.0
_CHECKS = {
    "detected": "The fault was noticed within the declared time.",
    "recovered": "Customers were well again within the declared time.",
    "all_scores": "Everything else was found out and mended, too.",
}
Run = Callable[[Platform], tuple[list[dict[str, Any]], str]]
"""Gives the scores, and why the drill failed beside them (empty: it did not)."""


def run_drill(platform: Platform) -> tuple[list[dict[str, Any]], str]:
    """Run the drill to its end."""
    home, file = platform.workspace.home, platform.pipeline.file.absolute()
    result, log = home / "drills" / "newest.json", home / "logs" / "drill.log"
    result.unlink(missing_ok=True)
    variables = {"SHOPKART_HOME": str(home), "SHOPKART_DECLARATION": str(file)}
    arguments = [sys.executable, "-c", _PROGRAM, DRILL, "--json", str(result)]
    done = run(Command(arguments, file.parent, _TIMEOUT_SECONDS, variables, network=True, log=log, confined=False))
    return _read(result), done.failure("the drill") or ""


def _read(result: Path) -> list[dict[str, Any]]:
    try:
        return json.loads(result.read_text())["scores"]
    except (OSError, ValueError, KeyError):
        return []


def build_drill(
    pipeline: Pipeline, run_it: Run = run_drill
) -> tuple[list[AssetsDefinition], list[UnresolvedAssetJobDefinition], list[ScheduleDefinition]]:
    """The asset, its job and its schedule; nothing where no schedule is declared."""
    if DRILL not in pipeline.schedules:
        return [], [], []
    owners = sorted({owner for service in pipeline.services.values() for owner in service.owners})

    @asset(
        key=KEY,
        check_specs=[AssetCheckSpec(name, asset=KEY, description=words) for name, words in _CHECKS.items()],
        description="The case study's incident, on purpose, on a platform of its own: how fast it is found and mended.",
        group_name=INCIDENTS,
        owners=owners,
        kinds={"redis"},
    )
    def drill(
        context: AssetExecutionContext, platform: ResourceParam[Platform]
    ) -> Iterator[MaterializeResult[object] | AssetCheckResult]:
        scores, problem = run_it(platform)
        checks = list(_results(scores, problem))
        if not scores:
            yield from checks
            raise Failure(problem or "the drill left no scores", allow_retries=False)
        lines = "\n".join(f"- {'✔' if each['passed'] else '✘'} {each['what']}: {each['measured']}" for each in scores)
        yield MaterializeResult(metadata={"scores": MetadataValue.md(lines)}, check_results=checks)

    job = define_asset_job(
        DRILL, selection=AssetSelection.assets(KEY), description="Runs the drill.", tags={GROUP_TAG: NO_LIMIT}
    )
    return [drill], [job], declared_schedules(pipeline, [job])


def _results(scores: list[dict[str, Any]], problem: str) -> Iterator[AssetCheckResult]:
    by_name = {each["what"]: each for each in scores}
    for name in ("detected", "recovered"):
        found = by_name.get(name)
        words = f"{found['measured']} ({found['target']})" if found else problem or "it was not scored"
        yield _result(name, words, passed=found is not None and found["passed"])
    missed = [f"{each['what']}: {each['measured']}" for each in scores if not each["passed"]]
    words = "; ".join([*missed, *([problem] if problem else [])]) or f"{len(scores)} scores"
    yield _result("all_scores", words, passed=bool(scores) and not missed and not problem)


def _result(name: str, words: str, *, passed: bool) -> AssetCheckResult:
    return AssetCheckResult(asset_key=KEY, check_name=name, passed=passed, description=words)
