"""Nothing is checked or built twice: an earlier result stands where all that it depends on is the same.

What a stage depends on is told by name: the content of the service's files and of the files in the folders above them
(and the same of the base, where new code is judged), the declaration of the stage, the tool with its version, rules and
data, the installed dependencies, the image that is looked at. Equal inputs give one key. A stage whose inputs can't be
told runs every time.

New code is measured against a base. Where the commit is the same as its base there is no new code, and a result that
was measured against any other base is at least as strict; it may stand, too.

A result is taken over only if it is evidence, passes today's gates, is not too old, and comes from an attempt that ran;
what it made has to be there still. Results of forks stand for forks alone, and what a pull request built for pull
requests alone: what ships was made by a merge. A checkout and a push are done every time, since they are what makes the
commit's own tree and tag; and so is signing, since every release has statements of its own.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import (
    BASE,
    EARLIER_TESTS,
    Evidence,
    EvidenceMissing,
    Reuse,
    StageRecord,
    keys_of,
)
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import Outcome, Verdict
from shopkart_pipeline.ports.evidence_store import StageStart
from shopkart_pipeline.ports.scanner import TEST_LIST
from shopkart_pipeline.services.at_hand import pulled
from shopkart_pipeline.services.build_artifacts import application_inputs, environment, image_inputs
from shopkart_pipeline.services.checkout_source import base_commit
from shopkart_pipeline.services.collect_evidence import scan_inputs
from shopkart_pipeline.services.earlier_tests import earlier_tests
from shopkart_pipeline.services.judge_release import MAXIMUM_EVIDENCE_AGE_SECONDS, stage_lines
from shopkart_pipeline.services.platform import Platform

_NEVER = frozenset({StageKind.SOURCE, StageKind.PUBLISHED_IMAGE, StageKind.ATTESTATIONS})
_BUILDS = frozenset({StageKind.DEPENDENCIES, StageKind.APPLICATION, StageKind.IMAGE})
_TIMES = frozenset({"duration_seconds"})
"""Measures that differ from run to run although nothing has changed."""

Inputs = Mapping[str, str]


def inputs_of(
    platform: Platform, release: Release, stage: Stage, image: str | None, records: Mapping[str, StageRecord]
) -> Inputs:
    """What the result of a stage depends on, by name; empty where that can't be told.

    Args:
        platform: the ports.
        release: which release.
        stage: which stage.
        image: digest of the image that the stage looks at, if it does.
        records: what the stages before left.
    """
    if stage.phase is not Phase.CI or stage.kind in _NEVER or not stage.reuse:
        return {}
    try:
        special = _special(platform, release, stage, image, records)
    except (PipelineError, OSError):
        return {}
    if special is None:
        return {}
    service = platform.service(release.service)
    source = service.source
    return {
        "service": service.name,
        "stage": digest_of(replace(stage, needs=(), timeout_seconds=0.0, pod=None)),
        "files": platform.scm.tree_digest(source, release.sha, (source.path, *source.shared_paths), surrounding=True),
        "origin": _origin(release, stage),
        **special,
    }


def _special(
    platform: Platform, release: Release, stage: Stage, image: str | None, records: Mapping[str, StageRecord]
) -> Inputs | None:
    match stage.kind:
        case StageKind.DEPENDENCIES | StageKind.APPLICATION:
            return application_inputs(platform, release)
        case StageKind.IMAGE:
            application = records.get(StageKind.APPLICATION.value)
            keys = application.input_keys if application is not None else ()
            made = image_inputs(platform, release, stage)
            return {**made, "application": keys[0]} if keys and made is not None else None
        case _:
            tool = scan_inputs(platform, release, stage, image)
            return None if tool is None else {**tool, **_surroundings(platform, release, stage, image, records)}


def _surroundings(
    platform: Platform, release: Release, stage: Stage, image: str | None, records: Mapping[str, StageRecord]
) -> Inputs:
    """What a check may look at beside the files of the service."""
    service, base = platform.service(release.service), base_commit(platform, release)
    source = service.source
    found = {BASE: "none", "image": image or "none", "environment": environment(platform, release).name}
    if base is not None:
        found[BASE] = platform.scm.tree_digest(source, base, (source.path, *source.shared_paths), surrounding=True)
    if stage.kind is StageKind.SECRET_SCAN:
        found["history"] = platform.scm.history_digest(source, release.previous_sha, release.sha)
    if stage.junit:
        found[EARLIER_TESTS] = _digest_of_tests(platform, release, stage)
    for name in stage.needs if stage.kind is StageKind.QUALITY else ():
        record = records.get(name)
        if record is not None and isinstance(record.result, Evidence):
            found |= {f"{name}/{report.name}": report.digest for report in record.result.reports}
    return found


def _digest_of_tests(platform: Platform, release: Release, stage: Stage) -> str:
    tests = earlier_tests(platform, release, stage)
    return f"sha256:{hashlib.sha256(tests).hexdigest()}" if tests is not None else "none"


def _compares_alike(record: StageRecord, inputs: Inputs) -> bool:
    """Whether no test can have vanished unnoticed: the list to compare with is the one that the attempt was compared
    with, or the one that it left."""
    now = inputs.get(EARLIER_TESTS, "none")
    reports = record.result.reports if isinstance(record.result, Evidence) else ()
    left = [report.digest for report in reports if report.name == TEST_LIST]
    return now in ("none", record.inputs.get(EARLIER_TESTS), *left)


def _origin(release: Release, stage: Stage) -> str:
    if release.pull_request is None:
        return "merge" if stage.kind in _BUILDS else "ours"
    if release.pull_request.from_fork:
        return "fork"
    return "pull request" if stage.kind in _BUILDS else "ours"


def earlier(platform: Platform, release: Release, stage: Stage, inputs: Inputs) -> StageRecord | None:
    """The earlier record that a tool made of these inputs, if it may stand for a new attempt."""
    if not inputs:
        return None
    exactly, but_for_base = keys_of(inputs)
    record = platform.evidence.reusable(release.service, stage.name, exactly)
    if record is None and inputs.get(BASE) == inputs["files"]:
        record = platform.evidence.reusable(release.service, stage.name, but_for_base)
    if record is None or not _compares_alike(record, inputs):
        return None
    age_seconds = (platform.clock.now() - record.finished_at).total_seconds()
    lines = stage_lines(platform, release, record, platform.evidence.latest(release.service, release.key))
    if not 0 <= age_seconds <= MAXIMUM_EVIDENCE_AGE_SECONDS or Verdict(lines).outcome is not Outcome.PASS:
        return None
    return record


def stand_in(
    platform: Platform, release: Release, stage: Stage, start: StageStart, former: StageRecord, inputs: Inputs
) -> StageRecord | None:
    """The record by which an earlier attempt stands for one that has begun; None where what it made is gone."""
    taken = _take_over(platform, release, stage, former)
    if taken is None:
        return None
    if inputs.get(BASE) != former.inputs.get(BASE):
        former = with_note(former, "The commit is the same as its base: what is called new was new to an earlier base.")
    return replace(
        former,
        release_key=release.key,
        run_id=start.run_id,
        started_at=start.started_at,
        finished_at=platform.clock.now(),
        commit=release.sha,
        inputs=inputs,
        reused=taken,
    )


def with_note(record: StageRecord, note: str) -> StageRecord:
    """The record with one more sentence about it."""
    match record.result:
        case Evidence() as evidence:
            return replace(record, result=replace(evidence, notes=(*evidence.notes, note)))
        case EvidenceMissing() as missing:
            return replace(record, result=replace(missing, reason=f"{missing.reason}. {note}"))


def _take_over(platform: Platform, release: Release, stage: Stage, record: StageRecord) -> Reuse | None:
    """Take over what an earlier attempt made, if anything."""
    try:
        there = platform.evidence.release(record.service, record.release_key)
        match stage.kind:
            case StageKind.DEPENDENCIES:
                taken = environment(platform, release).is_dir()
            case StageKind.APPLICATION:
                taken = _link(platform.workspace.application(there), platform.workspace.application(release))
            case StageKind.IMAGE:
                taken = _image(platform, there, release, record)
            case _:
                taken = True
    except (PipelineError, OSError):
        return None
    return Reuse(record.release_key, record.commit, record.run_id, record.finished_at) if taken else None


def _image(platform: Platform, there: Release, release: Release, record: StageRecord) -> bool:
    """Whether the image is here now: from where it was built, or from the registry."""
    wanted = platform.workspace.layout(release)
    if _link(platform.workspace.layout(there), wanted):
        return True
    digest = record.result.facts.get("digest") if isinstance(record.result, Evidence) else None
    return digest is not None and pulled(platform, release, digest, wanted)


def discard(platform: Platform, release: Release, stage: Stage) -> None:
    """Take away what an earlier attempt of this release built, so that building again really builds."""
    if stage.kind is StageKind.APPLICATION:
        shutil.rmtree(platform.workspace.application(release), ignore_errors=True)


def _link(made: Path, wanted: Path) -> bool:
    """Give what was made a second place, by links to the same files, complete or not at all."""
    if not made.is_dir():
        return False
    if wanted.is_dir():
        return True
    wanted.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(mkdtemp(prefix=f".{wanted.name}-", dir=wanted.parent))
    try:
        shutil.copytree(made, fresh / "copy", symlinks=True, copy_function=os.link)
        with suppress(OSError):
            (fresh / "copy").rename(wanted)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return wanted.is_dir()


def comparison(fresh: StageRecord, former: StageRecord) -> str:
    """What running again showed, in one sentence: whether the earlier result would have been right to stand."""
    if not isinstance(fresh.result, Evidence) or not isinstance(former.result, Evidence):
        return f"Run again on purpose: now there is no evidence, but run {former.run_id} had some."
    new, old = fresh.result, former.result
    differing = [
        name
        for name in sorted({*new.measures, *old.measures} - _TIMES)
        if new.measures.get(name) != old.measures.get(name)
    ]
    if {finding.fingerprint for finding in new.findings} != {finding.fingerprint for finding in old.findings}:
        differing.append("findings")
    differing += [
        f"fact {name}" for name in sorted({*new.facts, *old.facts}) if new.facts.get(name) != old.facts.get(name)
    ]
    if differing:
        return f"Run again on purpose: it differs from run {former.run_id} in {', '.join(differing)}."
    return f"Run again on purpose: the same as run {former.run_id} found with the same inputs."
