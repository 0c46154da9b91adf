"""The pipeline's own metrics: what was counted of the past, and how things stand now.

Now is asked of the stores at each look, but for what takes longer: incidents are looked at again after a minute; the
measures of delivery, which are of thirty days, and backups, which may be far away, after ten. What can't be asked is
not shown as zero: it is left out, and `shopkart_source_up` says so.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from shopkart_pipeline.domain.delivery import measure
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.metric import Metric, MetricKind, Sample, labels_of
from shopkart_pipeline.domain.vitals import Vital, VitalMissing
from shopkart_pipeline.domain.workload import ServiceStatus, Track
from shopkart_pipeline.ports.metric_store import MetricStore
from shopkart_pipeline.services.count_past import COUNTED, beginnings, count_past, known_states
from shopkart_pipeline.services.measure_delivery import Remembered, production_changes, teams_of
from shopkart_pipeline.services.platform import Platform

_AGAIN_AFTER = {
    "incidents": timedelta(minutes=1),
    "delivery": timedelta(minutes=10),
    "backups": timedelta(minutes=10),
}
_WINDOW_DAYS = 30
_LONGEST = timedelta(seconds=2)
"""For which the past is counted at one look; what is left is counted at the next one."""
_PIECE = 200
_COUNTED_SERIES = frozenset(name for metric in COUNTED for name in metric.series)
_STANDING = Metric("shopkart_releases", MetricKind.GAUGE, "Merged releases, by where they stand.")
_INBOX = Metric("shopkart_inbox_deliveries", MetricKind.GAUGE, "Deliveries that came in and are not done.")
_OUTBOX = Metric("shopkart_outbox_notices", MetricKind.GAUGE, "Notices for the code host that have not arrived.")
_UNTOLD = Metric("shopkart_notifications_untold", MetricKind.GAUGE, "Notifications that have not reached people.")
_MOST_UNTOLD = 1000
_INCIDENTS = Metric("shopkart_incidents_open", MetricKind.GAUGE, "Incidents that are not closed.")
_TAKEN = Metric(
    "shopkart_backup_taken_timestamp_seconds", MetricKind.GAUGE, "The moment whose data the newest backup holds."
)
_VERIFIED = Metric(
    "shopkart_backup_verified_timestamp_seconds", MetricKind.GAUGE, "When a drill last found all that a backup held."
)
_BEHIND = Metric("shopkart_metrics_behind", MetricKind.GAUGE, "1 while not all of the past is counted.")
_UP = Metric("shopkart_source_up", MetricKind.GAUGE, "1 where a source of these metrics can be asked.")
_DELIVERY = Metric(
    "shopkart_delivery",
    MetricKind.GAUGE,
    f"Measures of delivery over the last {_WINDOW_DAYS} days; without a deployment there is none.",
)
VITALS = {vital: Metric(f"shopkart:{vital.value}", MetricKind.GAUGE, f"{vital.words}.") for vital in Vital}
_REPLICAS = Metric("shopkart:replicas", MetricKind.GAUGE, "Replicas that are ready.")
EXPORTED = (
    *COUNTED,
    *VITALS.values(),
    _REPLICAS,
    _STANDING,
    _INBOX,
    _OUTBOX,
    _UNTOLD,
    _INCIDENTS,
    _DELIVERY,
    _TAKEN,
    _VERIFIED,
    _BEHIND,
    _UP,
)


@dataclass
class OwnMetrics:
    """Gathers metrics; kept between looks for what need not be asked each time."""

    platform: Platform
    store: MetricStore
    _kept: dict[str, tuple[datetime, tuple[Sample, ...]]] = field(
        default_factory=dict[str, tuple[datetime, tuple[Sample, ...]]]
    )
    _failed: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self._remembered = Remembered(self.platform)

    def gather(self) -> tuple[Sample, ...]:
        """Every number, those of one metric together. Never raises for a source that can't be asked."""
        self._failed.clear()
        samples = [
            *self._asked("past", self._past),
            *self._asked("inbox", lambda: (_one(_INBOX, self.platform.inbox.waiting()),)),
            *self._asked("outbox", lambda: (_one(_OUTBOX, self.platform.outbox.waiting()),)),
            *self._asked("notifications", self._notifications),
            *self._services(),
            *self._seldom("incidents", self._incidents),
            *self._seldom("delivery", self._delivery),
            *self._seldom("backups", self._backups),
        ]
        sources = ("past", "inbox", "outbox", "notifications", "services", "incidents", "delivery", "backups")
        return (*samples, *(_one(_UP, float(name not in self._failed), source=name) for name in sources))

    def _asked(self, source: str, ask: Callable[[], Iterable[Sample]]) -> tuple[Sample, ...]:
        try:
            return tuple(ask())
        except PipelineError:
            self._failed.add(source)
            return ()

    def _past(self) -> Iterator[Sample]:
        clock, is_behind = self.platform.clock, True
        until = clock.now() + _LONGEST
        while is_behind and clock.now() < until:
            is_behind = count_past(self.platform, self.store, _PIECE)
        # What only an earlier version of the pipeline counted is kept there as well.
        totals = tuple(sample for sample in self.store.totals() if sample.name in _COUNTED_SERIES)
        known = {(sample.name, sample.labels) for sample in totals}
        yield from totals
        yield from (each for each in beginnings(self.platform) if (each.name, each.labels) not in known)
        yield _one(_BEHIND, float(is_behind))
        counts = known_states(self.store.count(), self.platform.pipeline.services)
        for (service, state), number in counts.items():
            yield _one(_STANDING, number, service=service, state=state)

    def _seldom(self, source: str, ask: Callable[[], Iterable[Sample]]) -> tuple[Sample, ...]:
        """As `_asked`, at most once in a while; what could not be asked is asked again at the next look."""
        now = self.platform.clock.now()
        if source in self._kept and now < self._kept[source][0] + _AGAIN_AFTER[source]:
            return self._kept[source][1]
        self._kept.pop(source, None)
        samples = self._asked(source, ask)
        if source not in self._failed:
            self._kept[source] = now, samples
        return samples

    def _notifications(self) -> Iterator[Sample]:
        queue, policy = self.platform.notifications, self.platform.pipeline.notifications
        if queue is None or policy is None:
            return
        untold = Counter((each.channel, each.given_up) for each in queue.untold(_MOST_UNTOLD))
        for channel in policy.channels:
            for is_given_up, state in ((False, "waiting"), (True, "given_up")):
                yield _one(_UNTOLD, untold[channel, is_given_up], channel=channel, state=state)

    def _services(self) -> Iterator[Sample]:
        """What runs where Prometheus does not look for itself, under the names that its rules record elsewhere."""
        pipeline = self.platform.pipeline
        for environment in (each.name for each in pipeline.environments.values() if each.platform != "kubernetes"):
            for service in (name for name, each in pipeline.services.items() if environment in each.deployments):
                yield from self._asked("services", partial(self._running, environment, service))

    def _running(self, environment: str, service: str) -> Iterator[Sample]:
        site, where = self.platform.sites[environment], {"environment": environment, "service": service}
        for vital, found in site.vitals.now(environment, service, self.platform.clock.now()).items():
            if not isinstance(found, VitalMissing):
                yield from (_one(VITALS[vital], each.value, version=each.version, **where) for each in found)
        yield from _replicas(site.cluster.observe(environment, service), where)

    def _incidents(self) -> Iterator[Sample]:
        open_ones = [incident for incident in self.platform.incidents.list() if incident.is_open]
        for service in self.platform.pipeline.services:
            yield _one(_INCIDENTS, sum(each.service == service for each in open_ones), service=service)

    def _backups(self) -> Iterator[Sample]:
        """Without a backup there is no series: no moment would be true."""
        backups = self.platform.backups
        if backups is None:
            return
        kept = {name: backups.store.backups(name)[0] for name in self.platform.pipeline.recovery.databases}
        for name, each in kept.items():
            if each:
                yield _one(_TAKEN, max(backup.manifest.taken_at for backup in each).timestamp(), database=name)
        for name, each in kept.items():
            verified = [backup.verified_at for backup in each if backup.verified_at is not None]
            if verified:
                yield _one(_VERIFIED, max(verified).timestamp(), database=name)

    def _delivery(self) -> Iterator[Sample]:
        until = self.platform.clock.now()
        since = until - timedelta(days=_WINDOW_DAYS)
        services, platform = list(self.platform.pipeline.services), self.platform
        changes = {name: production_changes(platform, name, since, self._remembered) for name in services}
        groups = [({"service": name}, (name,)) for name in services]
        groups += [({"team": team}, names) for team, names in teams_of(platform).items()]
        for labels, names in groups:
            measures = measure([change for name in names for change in changes[name]], since, until)
            for name, figure in measures.figures.items():
                if figure.value is not None:
                    yield _one(_DELIVERY, figure.value, measure=name, **labels)


def _replicas(status: ServiceStatus, where: Mapping[str, str]) -> Iterator[Sample]:
    for track, workload in ((Track.STABLE, status.stable), (Track.CANARY, status.canary)):
        if workload is not None:
            version = workload.spec.release_key
            yield _one(_REPLICAS, workload.ready, version=version, track=track.value, **where)


def _one(metric: Metric, value: float, **labels: str) -> Sample:
    return Sample(metric.name, labels_of(labels), value)
