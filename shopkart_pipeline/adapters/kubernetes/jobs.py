"""Begins jobs in a cluster and tells how they stand.

What a job refers to is made only where it isn't there yet: replicas may refer to it, and nothing about them is to
change. Of two who begin the same job at once, one makes it and the other finds it.
"""

from contextlib import suppress

from shopkart_pipeline.adapters._shown_lines import shown
from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.diagnosis import LOG_LIMIT_BYTES, Signs, diagnose
from shopkart_pipeline.adapters.kubernetes.documents import condition, name_of, number, part, parts, text
from shopkart_pipeline.adapters.kubernetes.job import JOB_NAME, full_name, job_manifest, job_surroundings
from shopkart_pipeline.adapters.kubernetes.kinds import JOB, KINDS, POD
from shopkart_pipeline.adapters.kubernetes.names import Manifest, Place, job_selector
from shopkart_pipeline.domain.errors import Conflict, PipelineError
from shopkart_pipeline.domain.job import JobPhase, JobSpec, JobStatus
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.ports.clock import Clock

_TAIL_LINES = 20
_LONGEST_WORDS = 400


class Jobs:
    """The jobs of one cluster."""

    def __init__(self, api: KubernetesApi, clock: Clock) -> None:
        self._api, self._clock = api, clock

    def status(self, place: Place, job: JobSpec) -> JobStatus | None:
        """How a job stands; None where it has not begun, or ended so long ago that nobody knows of it."""
        found = self._api.get(JOB, place.namespace, full_name(place, job))
        return None if found is None else self._status(place, job, found)

    def begin(self, place: Place, job: JobSpec) -> JobStatus:
        """Begin a job that is not there yet."""
        for manifest in job_surroundings(place, job.workload):
            kind = KINDS[manifest["apiVersion"], manifest["kind"]]
            ours = manifest["metadata"]["name"] == f"{place.service}-jobs"
            if ours or self._api.get(kind, place.namespace, name_of(manifest)) is None:
                self._api.apply(manifest)
        with suppress(Conflict):  # Somebody else was faster, or our answer got lost.
            self._api.create(JOB, place.namespace, job_manifest(place, job))
        return self.status(place, job) or JobStatus(JobPhase.RUNNING)

    def _status(self, place: Place, job: JobSpec, found: Manifest) -> JobStatus:
        pod = self._pod(place, job)
        tail = self._tail(place, pod) if pod is not None else ()
        if condition(found, "Complete").get("status") == "True":
            return JobStatus(JobPhase.SUCCEEDED, "", tail)
        failed = condition(found, "Failed")
        if failed.get("status") == "True":
            return JobStatus(JobPhase.FAILED, _why_failed(job, failed, pod), tail)
        return JobStatus(JobPhase.RUNNING, self._hindrance(pod), tail)

    def _pod(self, place: Place, job: JobSpec) -> Manifest | None:
        """The youngest pod of a job."""
        labels = ",".join(f"{name}={value}" for name, value in (job_selector(place) | {JOB_NAME: job.name}).items())
        pods = self._api.list(POD, place.namespace, labels)
        return max(pods, key=lambda pod: text(pod, "metadata", "creationTimestamp"), default=None)

    def _tail(self, place: Place, pod: Manifest) -> tuple[str, ...]:
        try:
            log = self._api.log(place.namespace, name_of(pod), _TAIL_LINES, LOG_LIMIT_BYTES, previous=False)
        except PipelineError:
            return ()  # It only makes words better.
        return tuple(shown(line) for line in log.splitlines() if line.strip())

    def _hindrance(self, pod: Manifest | None) -> str:
        """What a job that has not begun waits for."""
        if pod is None:
            return "no pod of it is there"
        if text(pod, "status", "phase") != "Pending":
            return ""
        signs = Signs(
            deployment={},
            replica_set=None,
            pods=[pod],
            startup_deadline_seconds=0.0,
            now=self._clock.now(),
            events_of=lambda _: (),
            log_of=lambda _, __: "",
        )
        found = diagnose(signs)
        return found.failure or found.hindrance or ""


def _why_failed(job: JobSpec, failed: Manifest, pod: Manifest | None) -> str:
    if failed.get("reason") == "DeadlineExceeded":
        return f"it did not end within {job.timeout_seconds:g} s"
    for status in parts(pod, "status", "containerStatuses"):
        ended = part(status, "state", "terminated")
        if ended:
            why = text(ended, "reason")
            return f"exit code {number(ended, 'exitCode')}" + (f" ({why})" if why not in ("", "Error") else "")
    return plain(text(failed, "message") or text(failed, "reason"))[:_LONGEST_WORDS] or "the cluster does not say why"
