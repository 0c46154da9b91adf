"""Would a policy have let past releases go to production, and would today's advisories?

Every release is judged from its stored evidence by the rules that judge deployments (`domain.verdict`), at a moment of
its own: when it first took production, else when its last evidence came. So evidence is as old as it was then, and
waivers that held then hold. Scans are repeated with today's advisories on the stored bill of materials (`scan_again`).
A stage that the policy asks for and the release never ran is missing, as it would have been.

Not replayed: approvals, freezes, soaking, configurations and the registry, since no policy file decides them.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from shopkart_pipeline.domain.declaration import Phase, Pipeline, Service, Stage, StageKind
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, StageRecord
from shopkart_pipeline.domain.release import Release, is_proposed
from shopkart_pipeline.domain.replayed import ReplayedRelease
from shopkart_pipeline.domain.verdict import Subject, Verdict, judge_stages
from shopkart_pipeline.ports.advisory_book import AdvisorySet
from shopkart_pipeline.ports.component_index import ComponentIndex
from shopkart_pipeline.services.judge_release import (
    MAXIMUM_EVIDENCE_AGE_SECONDS,
    gates_of,
    image_digest,
    is_about_image,
    phases_before,
    skipped,
)
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import Placed, placements
from shopkart_pipeline.services.scan_again import scanned_again
from shopkart_pipeline.services.scan_running import rescanned_stages
from shopkart_pipeline.services.waivers import ended_waivers, waived_then

_ALL = 1_000_000
_KEPT_IMAGES = 64
"""Two scans ask for the same image, and the next release for the one before."""

Advisories = Callable[[Service, Stage], AdvisorySet | EvidenceMissing]
"""By which advisories a stage of a service scans today, or why by none."""


@dataclass(frozen=True)
class Replay:
    """How to replay."""

    policy: Pipeline
    since: datetime
    advisories: Advisories | None
    """None: scans count as they were."""
    index: ComponentIndex


def replay_gates(platform: Platform, replay: Replay, service: str | None = None) -> Iterator[ReplayedRelease]:
    """Releases since a moment, judged again, newest first by service; each when it is asked for.

    Args:
        platform: the ports; its own declaration plays no part.
        replay: policy, beginning and advisories.
        service: only releases of this one.

    Raises:
        NotFound: the policy has no service of that name.
    """
    if service is not None and service not in replay.policy.services:
        known = ", ".join(replay.policy.services)
        raise NotFound(f"The policy declares no service {service!r}.", f"It declares: {known}.")
    for name, declared in replay.policy.services.items():
        if service in (None, name):
            yield from _OfService(platform, replay, declared).releases()


class _OfService:
    """The releases of one service, with what is read once for all of them."""

    def __init__(self, platform: Platform, replay: Replay, service: Service) -> None:
        self._platform, self._replay, self._service = platform, replay, service
        production = next(
            (each for each in replay.policy.environments.values() if each.phase is Phase.PRODUCTION), None
        )
        self._placed = () if production is None else placements(platform, service.name, production.name)
        self._by_time = sorted(self._placed, key=lambda each: each.at)
        self._moments = [each.at for each in self._by_time]
        self._packages = lru_cache(maxsize=_KEPT_IMAGES)(replay.index.packages)
        self._first: dict[str, Placed] = {}
        for each in self._placed:
            self._first.setdefault(each.release_key, each)
        self._ended = ended_waivers(platform, service.name)
        self._stages = phases_before(service, Phase.PRODUCTION)
        self._about_image = frozenset(each.name for each in service.stages if is_about_image(service, each))
        self._scans = {stage.name: stage for stage in rescanned_stages(service)}
        self._source = next((each.name for each in service.stages if each.kind is StageKind.SOURCE), "")

    def releases(self) -> Iterator[ReplayedRelease]:
        for release in self._platform.evidence.releases(self._service.name, limit=_ALL):
            placed = self._first.get(release.key)
            came = release.received_at if placed is None else max(placed.at, release.received_at)
            if came >= self._replay.since and not is_proposed(release.key):
                yield self._judged(release, placed)

    def _judged(self, release: Release, placed: Placed | None) -> ReplayedRelease:
        records = self._platform.evidence.latest(self._service.name, release.key)
        finished = [records[name].finished_at for name in self._stages if name in records]
        moment = max([*finished, placed.at if placed is not None else release.received_at])
        digest = image_digest(self._service, records)
        if self._replay.advisories is not None:
            records = self._with_todays_advisories(records, digest, moment)
        source = records.get(self._source)
        subject = Subject(
            commit=release.sha,
            digest=digest,
            now=moment,
            maximum_age_seconds=MAXIMUM_EVIDENCE_AGE_SECONDS,
            image_stages=self._about_image,
            waived=waived_then(source, release, moment, self._ended),
        )
        verdict = judge_stages({name: gates_of(self._service, name) for name in self._stages}, records, subject)
        left_out = (line for name in self._stages for line in skipped(self._service, name))
        return ReplayedRelease(
            release.service,
            release.key,
            digest,
            moment,
            placed is not None,
            Verdict((*verdict.results, *left_out)),
        )

    def _with_todays_advisories(
        self, records: Mapping[str, StageRecord], digest: str | None, moment: datetime
    ) -> Mapping[str, StageRecord]:
        found = dict(records)
        for name, stage in self._scans.items():
            record = records.get(name)
            if record is not None and isinstance(record.result, Evidence):
                found[name] = scanned_again(record, stage, self._today(stage, digest, moment))
        return found

    def _today(self, stage: Stage, digest: str | None, moment: datetime) -> Evidence | EvidenceMissing:
        advisories = self._replay.advisories
        said = EvidenceMissing("no advisories are asked") if advisories is None else advisories(self._service, stage)
        if isinstance(said, EvidenceMissing):
            return said
        packages = None if digest is None else self._packages(digest)
        if packages is None:
            what = "the release has no image" if digest is None else f"{digest} has no bill of materials"
            return EvidenceMissing(what)
        before = self._before(digest, moment)
        base = self._packages(before) if before is not None else None
        return said.evidence(packages, base or (), stage.options, self._platform.clock.now())

    def _before(self, digest: str | None, moment: datetime) -> str | None:
        """The image that production had before a moment, other than the release's own."""
        place = bisect_left(self._moments, moment)
        while place > 0:
            place -= 1
            if self._by_time[place].digest != digest:
                return self._by_time[place].digest
        return None
