"""Follows a run to its end: what it waits for, and every stage as it comes out.

Reads the evidence store and the record of the run's worker, and not Dagster, so it starts at once.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from shopkart_pipeline.cli.report import stage_outcome
from shopkart_pipeline.cli.words import MARKS, STYLES
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.engine.run_records import Ended, NoRecord, Queued, Running, RunRecord, RunRecords
from shopkart_pipeline.engine.warm_paths import WarmPaths
from shopkart_pipeline.services.platform import Platform

_LOOK_SECONDS = 0.2
_LAUNCH_SECONDS = 60.0


def follow(
    console: Console, platform: Platform, dagster_home: Path, release: Release, stages: Sequence[str], run_id: str
) -> bool:
    """Print what happens until the run has ended; whether all its stages are passed then.

    Raises:
        ToolUnavailable: nobody launched it in time.
    """
    records, told, said = RunRecords(WarmPaths(dagster_home).runs), dict[str, str](), ""
    deadline = time.monotonic() + _LAUNCH_SECONDS
    while True:
        record = records.read(run_id)
        _tell_stages(console, platform, release, stages, run_id, told)
        if isinstance(record, NoRecord) and time.monotonic() > deadline:
            raise ToolUnavailable(f"Run {run_id} was not launched.", "Look at the warm server's log in the home.")
        words = _in_words(record)
        if words != said:
            console.print(f"  [dim]{escape(words)}[/]")
            said = words
        if _is_over(record):
            break
        time.sleep(_LOOK_SECONDS)
    _tell_stages(console, platform, release, stages, run_id, told)
    for stage in stages:
        if stage not in told:
            console.print(f"[{STYLES['missing']}]{MARKS['missing']} {stage:<18}[/] did not come out")
    return all(told.get(stage) == "passed" for stage in stages)


def _tell_stages(
    console: Console, platform: Platform, release: Release, stages: Sequence[str], run_id: str, told: dict[str, str]
) -> None:
    service, records = platform.service(release.service), platform.evidence.latest(release.service, release.key)
    for name in stages:
        record = records.get(name)
        if record is None or record.run_id != run_id or name in told:
            continue
        told[name] = status = stage_outcome(platform, release, service.stage(name), records)
        summary = record.result.summary if isinstance(record.result, Evidence) else record.result.reason
        head = f"[{STYLES[status]}]{MARKS[status]} {name:<18}[/]{record.duration_seconds:6.1f} s"
        console.print(f"{head}  {escape(summary)}")


def _in_words(record: RunRecord | NoRecord) -> str:
    match record:
        case NoRecord():
            return "is being launched"
        case Queued():
            return "waits for its turn"
        case Running():
            return "runs"
        case Ended(how=how, succeeded=succeeded):
            return "has ended" if succeeded else how


def _is_over(record: RunRecord | NoRecord) -> bool:
    return isinstance(record, Ended) or (isinstance(record, Running) and not record.worker.is_alive())
