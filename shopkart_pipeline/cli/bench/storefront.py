"""Continuous integration of the storefront's backend, with real tools: the pipeline beside a shell script.

The script (`storefront.sh`) runs the same tools with the same options on the same commit, in parallel, with caches as
warm as the pipeline's; where the pipeline does something within its own process, the script calls a command for it. The
pipeline does more: it stores evidence, judges gates, measures what is new, and shows all of it; the ratio says what
this costs. Each sample is a commit that changes a line of the backend and no lock.

Two more commits change nothing that the service depends on. One lies outside of its paths, and is done when it is noted
that the service is not affected. The other is told by a webhook that does not know the former head, so that every stage
of both services is gone through, with results that can be reused: no tool is to run.
"""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree, ignore_patterns

from shopkart_pipeline.adapters._process import Command, run
from shopkart_pipeline.cli.bench.measures import SHOPKART, Measure, Measurement
from shopkart_pipeline.cli.bench.repository import Pushed
from shopkart_pipeline.cli.bench.surroundings import RunningPipeline, Surroundings, Told, running_pipeline
from shopkart_pipeline.cli.demo.story import STOREFRONT
from shopkart_pipeline.cli.stack import ROOT
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.services.affected_services import NOT_AFFECTED

NAME = "storefront"
SCRIPT = Path(__file__).with_name("storefront.sh")
_DEFINITIONS = "shopkart_pipeline.bench_processes.ci_definitions"
_REPOSITORY, _SERVICE = "shopkart/storefront", "backend"
_CHANGED = "backend/src/storefront_backend/answers.py"
_IGNORED = ignore_patterns("__pycache__", "*.pyc", ".pytest_cache", ".ruff_cache", ".coverage")
_UNKNOWN = "f" * 40
_LOOKED_AT = "a commit without a change, all services looked at"
_DONE_EVERY_TIME = frozenset({"source", "published_image", "attestations"})
"""A checkout and a push are what makes the commit's own tree and tag, and every release has statements of its own."""
_RATIO_LIMIT, _UNCHANGED_LIMIT_SECONDS = 1.3, 1.5
_LONGEST_SECONDS = 900.0


def measure(around: Surroundings) -> Measurement:
    """Pipeline and script take turns; then commits without a change."""
    with around.folder() as folder, running_storefront(folder / "home") as pipeline:
        first = _push(pipeline)
        pipeline.release(_SERVICE, first, _LONGEST_SECONDS)
        _script(folder, pipeline, first, first, 0)
        own, script, before = list[float](), list[float](), first
        for number in range(1, around.repeats + 1):
            pushed = _push(pipeline)
            own.append(_seconds(pipeline, pipeline.release(_SERVICE, pushed, _LONGEST_SECONDS)))
            script.append(_script(folder, pipeline, pushed, before, number))
            before = pushed
        _unchanged(pipeline)  # Measured against no base for the first time: that is a change of what checks depend on.
        unchanged = [_unchanged(pipeline) for _ in range(around.repeats)]
        outside = tuple(_outside(pipeline) for _ in range(around.repeats))
    ratio = tuple(mine / theirs for mine, theirs in zip(own, script, strict=True))
    quantity = "POST to the end of continuous integration"
    measures = (
        Measure(SHOPKART, quantity, "s", tuple(own)),
        Measure("shell script", quantity, "s", tuple(script)),
        Measure(SHOPKART, "pipeline over script, commit by commit", "times", ratio, _RATIO_LIMIT),
        Measure(SHOPKART, "a commit outside of the service's paths", "s", outside, _UNCHANGED_LIMIT_SECONDS),
        Measure(SHOPKART, _LOOKED_AT, "s", tuple(each[0] for each in unchanged), _UNCHANGED_LIMIT_SECONDS),
        Measure(SHOPKART, "tools that ran for it", "tools", tuple(float(each[1]) for each in unchanged), 0.0),
    )
    return Measurement(NAME, "The storefront's backend", measures)


@contextmanager
def running_storefront(home: Path) -> Generator[RunningPipeline]:
    """The pipeline with its shipped declaration and the storefront's repository."""
    with running_pipeline(home, ROOT / "shopkart.yaml", _REPOSITORY, _DEFINITIONS) as pipeline:
        copytree(STOREFRONT, pipeline.repository.clone, ignore=_IGNORED, dirs_exist_ok=True)
        yield pipeline


def _push(pipeline: RunningPipeline) -> Pushed:
    """A commit that changes one line of the backend."""
    pipeline.changes += 1
    path = pipeline.repository.clone / _CHANGED
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# Change ")]
    return pipeline.repository.push("Change", {_CHANGED: "\n".join([*lines, f"# Change {pipeline.changes}.", ""])})


def _seconds(pipeline: RunningPipeline, told: Told) -> float:
    [end] = pipeline.run_ends([told.run_id])
    return end - told.posted_at


def _script(folder: Path, pipeline: RunningPipeline, pushed: Pushed, before: Pushed, number: int) -> float:
    """Run the script once; returns its seconds."""
    git_dir = pipeline.settings.home / "git" / f"{_REPOSITORY}.git"
    work, cache, tools = folder / f"script-{number}", folder / "script-cache", Path(sys.executable).parent
    work.mkdir()
    arguments = [str(git_dir), pushed.sha, before.sha, str(work), str(cache), str(tools)]
    began = time.monotonic()
    log = work / "script.log"
    done = run(Command(["sh", str(SCRIPT), *arguments], work, _LONGEST_SECONDS, network=True, log=log))
    if problem := done.failure("storefront.sh"):
        raise ToolUnavailable(f"{problem}.", f"See the logs in {work}.")
    return time.monotonic() - began


def _unchanged(pipeline: RunningPipeline) -> tuple[float, int]:
    """Seconds for a commit without a change, and how many tools ran."""
    pushed = pipeline.repository.push("Nothing new", since=_UNKNOWN)
    told = pipeline.release(_SERVICE, pushed, _LONGEST_SECONDS)
    ran = [name for name, record in told.records.items() if record.reused is None and name not in _DONE_EVERY_TIME]
    return _seconds(pipeline, told), len(ran)


def _outside(pipeline: RunningPipeline) -> float:
    """Seconds until it is noted that a commit does not concern the service."""
    pipeline.changes += 1
    pushed = pipeline.repository.push("Words", {"README.md": f"Change {pipeline.changes}.\n"})
    posted_at, deadline = pipeline.post(pushed), time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline:
        for note in pipeline.platform.evidence.newest_notes(NOT_AFFECTED, _SERVICE, 1):
            if note.data["commit"] == pushed.sha:
                return note.at.timestamp() - posted_at
        time.sleep(0.02)
    raise ToolUnavailable("Nobody noted that the service is not affected.", f"See {pipeline.settings.home}.")
