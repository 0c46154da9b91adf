"""Staging under multiples of production's peak: is there room for a sale day, and what gives way first?

The load goes to staging's own address, and nowhere else: the stage is of that phase, and no address can be declared for
it. What is found counts only if one and the same thing was measured from the beginning to the end: this image, with one
configuration (`collect_evidence`), no rollout under way, as many replicas as before, or the same bounds of an
autoscaler, nothing changed by hand. A peak that is to come from production's metrics, and that they don't have, is
missing, not zero.

Beside the generator's numbers stand staging's own metrics of that time, so that one sees what was short; where nobody
measures them, the evidence says so. They decide nothing, but for replicas that were started again.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from shopkart_pipeline.domain.declaration import Phase, Stage
from shopkart_pipeline.domain.evidence import EvidenceMissing, RawReport, ToolRun
from shopkart_pipeline.domain.load_report import LOAD_REPORT, LoadDocument
from shopkart_pipeline.domain.load_test import PEAK_RATE, LoadTest
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.vitals import Vital, VitalMissing, VitalSeries
from shopkart_pipeline.domain.workload import ServiceStatus, WorkloadStatus
from shopkart_pipeline.services.collect_evidence import collect_evidence
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.plot_load import load_pictures, vital_pictures

_LEAST_COVERED_RATIO = 0.9
_AROUND = timedelta(seconds=30)
"""Staging's metrics are shown from so long before the test: what changed is seen beside what was."""
_PATIENCE = timedelta(seconds=15)
Series = Mapping[Vital, tuple[VitalSeries, ...] | VitalMissing]


def run_load_test(platform: Platform, release: Release, stage: Stage, image: str | None) -> ToolRun:
    """Send the declared load to staging and keep what came of it.

    Args:
        platform: the ports.
        release: which release.
        stage: of kind load test.
        image: digest of the release's image.

    Raises:
        PipelineError: staging can't be observed.
    """
    plan = _with_peak(platform, release, stage)
    if isinstance(plan, EvidenceMissing):
        return ToolRun(plan)
    before = _observed(platform, release)
    if isinstance(before, EvidenceMissing):
        return ToolRun(before)
    began = platform.clock.now()
    run = collect_evidence(platform, release, stage, image, {PEAK_RATE: repr(plan.peak_rate)})
    document = _document(run)
    if document is None:
        return run
    vitals = _vitals(platform, release, began - _AROUND)
    raw = (*run.raw, *load_pictures(document), *vital_pictures(vitals, document), _vitals_report(vitals))
    after = _observed(platform, release)
    if isinstance(run.result, EvidenceMissing) or isinstance(after, EvidenceMissing):
        return ToolRun(after if isinstance(after, EvidenceMissing) else run.result, raw)
    changed = _changed(before, after)
    if changed:
        return ToolRun(EvidenceMissing(f"{changed} while the load was on: run the stage again", run.result.tool), raw)
    measured = replace(
        run.result,
        measures={**run.result.measures, **_replica_measures(before, after), **_highest(vitals)},
        notes=(*run.result.notes, *_notes(platform, release, plan, after, vitals)),
    )
    return ToolRun(measured, raw)


def _with_peak(platform: Platform, release: Release, stage: Stage) -> LoadTest | EvidenceMissing:
    plan = stage.load
    if plan is None:
        return EvidenceMissing("no load is declared")
    if plan.peak_rate is not None:
        return plan
    name, window = platform.environment_of(Phase.PRODUCTION).name, timedelta(seconds=plan.peak_window_seconds)
    span = _span(plan.peak_window_seconds)
    now, otherwise = platform.clock.now(), "declare `peak` as a rate, or a `window` that is measured"
    found = platform.sites[name].vitals.peak_rate(name, release.service, now - window, now)
    if isinstance(found, VitalMissing):
        return EvidenceMissing(f"{name}'s peak is not known: {found.reason}; {otherwise}")
    if found.covered_ratio < _LEAST_COVERED_RATIO:
        part = f"only {100 * found.covered_ratio:.0f} % of the last {span} were measured"
        return EvidenceMissing(f"{name}'s peak is not known: {part}; {otherwise}")
    if found.rate <= 0:
        return EvidenceMissing(f"{name} had no requests in the last {span}, so it has no peak; {otherwise}")
    known = plan.at_peak(found.rate)
    return known if known.too_few is None else EvidenceMissing(known.too_few)


def _observed(platform: Platform, release: Release) -> WorkloadStatus | EvidenceMissing:
    """Stable, where nothing else is there and it is all there."""
    name = platform.environment_of(Phase.STAGING).name
    status: ServiceStatus = platform.sites[name].cluster.observe(name, release.service)
    if status.stable is None:
        return EvidenceMissing(f"nothing runs in {name}: there is nothing to measure")
    if status.canary is not None:
        return EvidenceMissing(f"a rollout is under way in {name}: two versions would be measured as one")
    return status.stable


def _changed(before: WorkloadStatus, after: WorkloadStatus) -> str | None:
    """What somebody changed that makes the beginning and the end two different things."""
    if before.spec.autoscale != after.spec.autoscale:
        return "the bounds of the autoscaler changed"
    if before.spec.autoscale is None and before.spec.replicas != after.spec.replicas:
        return f"the number of replicas was changed from {before.spec.replicas} to {after.spec.replicas}"
    if before.by_hand != after.by_hand:
        return f"somebody changed the deployment by hand ({after.by_hand or before.by_hand})"
    return None


def _replica_measures(before: WorkloadStatus, after: WorkloadStatus) -> dict[str, float]:
    return {
        "restarts": float(max(0, after.restarts - before.restarts)),
        "replicas_before": float(before.ready),
        "replicas_after": float(after.ready),
    }


def _document(run: ToolRun) -> LoadDocument | None:
    """What the generator wrote; None where it did not get that far."""
    content = next((report.content for report in run.raw if report.name == LOAD_REPORT), None)
    return None if content is None else LoadDocument.of(content)


def _vitals(platform: Platform, release: Release, since: datetime) -> Series:
    """Staging's metrics until now. A server that takes its time costs no more than `_PATIENCE`."""
    name, until = platform.environment_of(Phase.STAGING).name, platform.clock.now()
    vitals, found = platform.sites[name].vitals, dict[Vital, tuple[VitalSeries, ...] | VitalMissing]()
    for vital in Vital:
        late = platform.clock.now() - until > _PATIENCE
        slow = VitalMissing(until, "the metrics server takes too long")
        found[vital] = slow if late else vitals.series(name, release.service, vital, since, until)
    return found


def _vitals_report(vitals: Series) -> RawReport:
    told = {
        vital.value: f"missing: {found.reason}"
        if isinstance(found, VitalMissing)
        else {series.version: [[at.isoformat(), value] for at, value in series.points] for series in found}
        for vital, found in vitals.items()
    }
    return RawReport("staging-metrics.json", "application/json", json.dumps(told).encode())


def _highest(vitals: Series) -> dict[str, float]:
    """The highest value of each metric of staging, of any version."""
    return {
        f"highest_{vital}": max(value for series in found for _, value in series.points)
        for vital, found in vitals.items()
        if not isinstance(found, VitalMissing)
    }


def _notes(
    platform: Platform, release: Release, plan: LoadTest, after: WorkloadStatus, vitals: Series
) -> tuple[str, ...]:
    service, production = platform.service(release.service), platform.environment_of(Phase.PRODUCTION).name
    declared = service.deployments.get(production)
    notes = [f"A peak of {plan.peak_rate:g} requests a second is {_source(plan, production)}."]
    if declared is not None and declared.replicas != after.ready:
        many = f"{after.ready} of staging's replicas were ready at the end, and {production} is declared with"
        notes.append(f"{many} {declared.replicas}: what holds here need not hold there.")
    silent: dict[str, list[str]] = {}
    for vital, found in vitals.items():
        if isinstance(found, VitalMissing):
            silent.setdefault(found.reason, []).append(vital.words)
    notes += [f"Not measured in staging: {', '.join(words)} ({reason})." for reason, words in silent.items()]
    return tuple(notes)


def _source(plan: LoadTest, production: str) -> str:
    if not plan.peak_is_measured:
        return "declared"
    return f"what {production} showed in the last {_span(plan.peak_window_seconds)}"


def _span(seconds: float) -> str:
    for unit, size_seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size_seconds:
            return f"{seconds / size_seconds:g} {unit}"
    return f"{seconds:g} s"
