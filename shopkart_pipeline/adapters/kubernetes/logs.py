"""The log port on the cluster's own API: the logs of the pods that are there.

The logs of pods that are gone are gone with them, so whoever turns a release back asks before its pods leave. Pods of
the canary come first, and what was read by then counts where it takes too long: a worker has a lease to renew. What a
container wrote before it was started again is read too, as that says why.

Source: Kubernetes API, `read_namespaced_pod_log` (`sinceTime`, `limitBytes`, `timestamps`, `previous`).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from shopkart_pipeline.adapters._log_lines import LogReader, Written, has_text, is_error
from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.connection import Access, Connection
from shopkart_pipeline.adapters.kubernetes.documents import name_of, parts, text
from shopkart_pipeline.adapters.kubernetes.kinds import POD
from shopkart_pipeline.adapters.kubernetes.looking import labels_of
from shopkart_pipeline.adapters.kubernetes.names import TRACK, VERSION, Manifest, Place, Surroundings
from shopkart_pipeline.adapters.kubernetes.observe import restarts_of
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.telemetry import LogLine, Logs, LogsMissing

LIMIT_BYTES = 4 * 1024 * 1024
"""Of one container's log."""
_MOST_PODS = 20
_LONGEST = timedelta(seconds=5)
_READ_SECONDS = 3.0


class KubernetesLogs(Logs):
    """The logs of the pods of one cluster.

    Args:
        api: the cluster's.
        clock: measures how long reading takes.
        around: where services are.
    """

    def __init__(self, api: KubernetesApi, clock: Clock, around: Surroundings | None = None) -> None:
        self._api, self._clock, self._around = api, clock, around or Surroundings()

    @classmethod
    def of(cls, options: Mapping[str, str], clock: Clock) -> "KubernetesLogs":
        """Those of the cluster that the options of an environment name; nothing is asked yet.

        Raises:
            PipelineError: the options can't be used.
        """
        api = KubernetesApi(Connection(Access.of(options), clock), clock, _READ_SECONDS)
        return cls(api, clock, Surroundings.of(options))

    def errors(
        self, environment: str, service: str, since: datetime, until: datetime, limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        lines = self._lines(environment, service, since, until, is_error)
        return lines if isinstance(lines, LogsMissing) else lines[:limit]

    def search(
        self, environment: str, service: str, since: datetime, until: datetime, *, text: str = "", limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        lines = self._lines(environment, service, since, until, lambda line: has_text(line.message, text))
        return lines if isinstance(lines, LogsMissing) else lines[-limit:]

    def _lines(
        self, environment: str, service: str, since: datetime, until: datetime, wanted: Callable[[LogLine], bool]
    ) -> tuple[LogLine, ...] | LogsMissing:
        place = self._around.place(environment, service, service)
        try:
            pods = self._api.list(POD, place.namespace, f"{labels_of(place)},{TRACK} in (stable,canary)")
        except PipelineError as error:
            return LogsMissing(error.what)
        found, unread = self._read(
            place, sorted(pods, key=_order), since, lambda line: since <= line.at <= until and wanted(line)
        )
        if found:
            return tuple(sorted(found, key=lambda line: line.at))
        if not pods:
            return LogsMissing(f"{service} has no pods in {environment}, and logs of pods that are gone are gone")
        return LogsMissing("; ".join(unread[:3])) if unread else ()

    def _read(
        self, place: Place, pods: list[Manifest], since: datetime, wanted: Callable[[LogLine], bool]
    ) -> tuple[list[LogLine], list[str]]:
        """Wanted lines, and what could not be read whole."""
        found: list[LogLine] = []
        unread, began = [f"{name_of(pod)} was left out" for pod in pods[_MOST_PODS:]], self._clock.now()
        for pod in pods[:_MOST_PODS]:
            if self._clock.now() - began > _LONGEST:
                unread.append(f"there was no time for {name_of(pod)}")
                continue
            try:
                content = self._content(place, pod, since)
            except PipelineError as error:
                unread.append(error.what)
                continue
            if len(content) >= LIMIT_BYTES:
                unread.append(f"the log of {name_of(pod)} is longer than {LIMIT_BYTES} bytes, and was read in part")
            track, release_key = Track(text(pod, "metadata", "labels", TRACK)), text(pod, "metadata", "labels", VERSION)
            lines = LogReader(track, name_of(pod), release_key).read(_lines(content))
            found += filter(wanted, lines)
        return found, unread

    def _content(self, place: Place, pod: Manifest, since: datetime) -> bytes:
        names = [str(each["name"]) for each in parts(pod, "spec", "containers")]
        container = place.service if place.service in names else names[0]
        previous = b""
        if restarts_of(pod):
            try:
                previous = self._api.log_since(
                    place.namespace, name_of(pod), container, since, LIMIT_BYTES, previous=True
                )
            except PipelineError:
                previous = b""  # The cluster keeps it for a while only.
        return previous + self._api.log_since(place.namespace, name_of(pod), container, since, LIMIT_BYTES)


def _order(pod: Manifest) -> tuple[bool, str]:
    return text(pod, "metadata", "labels", TRACK) != Track.CANARY.value, name_of(pod)


def _lines(content: bytes) -> Iterator[Written]:
    """Lines without the times that stand before them."""
    for line in content.decode(errors="replace").split("\n"):
        stamp, _, rest = line.partition(" ")
        try:
            at = datetime.fromisoformat(stamp)
        except ValueError:
            continue
        yield Written(rest, at if at.tzinfo else None)
