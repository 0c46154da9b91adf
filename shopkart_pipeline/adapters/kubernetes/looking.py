"""Asking a cluster for everything that `observe` and `diagnosis` go by.

A Deployment is asked for first and its pods last, so what is read last is never older than what it is compared with.
Pods on a node that was lost end only when it comes back or is removed. They serve nobody, and a release doesn't wait.
"""

from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.diagnosis import LOG_LIMIT_BYTES, LOG_LINES, Diagnosis, Signs, diagnose
from shopkart_pipeline.adapters.kubernetes.documents import text
from shopkart_pipeline.adapters.kubernetes.kinds import DEPLOYMENT, ENDPOINT_SLICE, EVENT, POD, REPLICA_SET
from shopkart_pipeline.adapters.kubernetes.names import TRACK, Manifest, Place, selector
from shopkart_pipeline.adapters.kubernetes.observe import (
    Look,
    applied_spec,
    is_ending,
    is_lost,
    replica_set_of,
    status_of,
    troubled,
)
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.workload import Track, WorkloadStatus
from shopkart_pipeline.ports.clock import Clock


def labels_of(place: Place) -> str:
    """The selector of everything of a service."""
    return ",".join(f"{name}={value}" for name, value in selector(place).items())


class Lookout:
    """Looks at services in one cluster."""

    def __init__(self, api: KubernetesApi, clock: Clock) -> None:
        self._api, self._clock = api, clock

    def look(self, place: Place) -> Look:
        """Everything of a service; nothing where it has no Deployment."""
        labels, namespace = labels_of(place), place.namespace
        deployments = {
            Track(text(each, "metadata", "labels", TRACK)): each
            for each in self._api.list(DEPLOYMENT, namespace, f"{labels},{TRACK} in (stable,canary)")
        }
        if not deployments:
            return Look()
        return Look(
            deployments,
            self._api.list(REPLICA_SET, namespace, labels),
            [pod for pod in self._api.list(POD, namespace, labels) if not is_lost(pod, self._clock.now())],
            self._api.list(ENDPOINT_SLICE, namespace, f"kubernetes.io/service-name={place.service}"),
        )

    def status(self, place: Place, look: Look, track: Track) -> WorkloadStatus | None:
        """What is there of a track, and what keeps it from getting ready."""
        deployment = look.deployments.get(track)
        if deployment is None:
            return None
        if is_ending(deployment):
            return status_of(look, track, Diagnosis())
        signs = Signs(
            deployment=deployment,
            replica_set=replica_set_of(look, track),
            pods=troubled(look, track),
            startup_deadline_seconds=applied_spec(deployment).probes.startup_deadline_seconds,
            now=self._clock.now(),
            events_of=lambda pod: self._events(place, pod),
            log_of=lambda pod, container: self._log(place, pod, container),
        )
        return status_of(look, track, diagnose(signs))

    def _events(self, place: Place, pod: str) -> list[Manifest]:
        try:
            return self._api.list(EVENT, place.namespace, fields=f"involvedObject.name={pod}")
        except PipelineError:
            return []  # They only make words better.

    def _log(self, place: Place, pod: str, container: str) -> str:
        for previous in (True, False):
            try:
                log = self._api.log(
                    place.namespace, pod, LOG_LINES, LOG_LIMIT_BYTES, previous=previous, container=container
                )
            except PipelineError:
                continue
            if log.strip():
                return log
        return ""
