"""Why replicas don't get ready, told apart in words, from what a cluster says about pods and their events.

A *failure* is what does not go away by waiting: a crash loop (with its exit code and the last lines of its log), an
image that is not to be had, a pod that an admission policy refuses, a probe that never passes. A *hindrance* may pass:
no node has room (one may be added), a quota is used up (an old pod may leave), an image could not be pulled once or its
registry is busy, a Secret has not been made yet. It becomes the reason where the rollout's deadline passes, and a
failure where the cluster itself has given up (`ProgressDeadlineExceeded`, which stands there for a moment longer when
something else is applied, and then says nothing about that).

Log lines are cut short, and what looks like a secret in them is left out.

Source: Kubernetes, "Pod Lifecycle", "Failed Deployment"; recorded from 1.36.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shopkart_pipeline.adapters._shown_lines import shown
from shopkart_pipeline.adapters.kubernetes.documents import condition, name_of, number, part, parts, text
from shopkart_pipeline.adapters.kubernetes.names import FIELD_MANAGER, Manifest
from shopkart_pipeline.domain.plain_text import plain

CRASH_LOOP_RESTARTS = 3
"""Restarts after which a container that ends by itself again is called a crash loop."""
LOG_LINES, LOG_LIMIT_BYTES = 5, 4096
_LONGEST_WORDS = 400
_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
"""A runtime repeats an image's name until its reason no longer fits."""
_NEVER_PULLED = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_NOT_PULLED_ONCE = frozenset({"ErrImagePull", "RegistryUnavailable", "ImageInspectError"})
_BUSY = re.compile(
    r"(?i)time(?:d? )?out|deadline exceeded|connection re(?:fused|set)|\bEOF\b|temporary failure|unreachable"
    r"|no route to host|too ?many ?requests|QPS exceeded|service unavailable|bad gateway|internal server error"
    r"|server misbehaving"
)
"""What a registry, or the way to it, says where the same question may be answered a moment later."""
_REFUSED = re.compile(r"is forbidden: |denied (?:the )?request|is invalid: ")
_NOT_YET = "error looking up service account"
"""A controller may know of a ServiceAccount later than of the Deployment that names it."""


@dataclass(frozen=True)
class Diagnosis:
    """What keeps replicas from getting ready."""

    failure: str | None = None
    hindrance: str | None = None


@dataclass(frozen=True)
class Signs:
    """What there is to look at: replicas of the wanted version alone."""

    deployment: Manifest
    replica_set: Manifest | None
    pods: Sequence[Manifest]
    """Those that are not ready, and not about to go."""
    startup_deadline_seconds: float
    now: datetime
    events_of: Callable[[str], Sequence[Manifest]]
    """Events of a pod, by its name."""
    log_of: Callable[[str, str], str]
    """The last lines of a container that ended, by the pod's name and its own."""


def diagnose(signs: Signs) -> Diagnosis:
    """What is the matter; nothing where replicas are just on their way."""
    found = [_of_creation(signs), *(_of_pod(signs, pod) for pod in signs.pods)]
    failure = next((each.failure for each in found if each.failure), None)
    hindrance = next((each.hindrance for each in found if each.hindrance), None)
    if failure is None and _gave_up(signs.deployment):
        failure = hindrance or "the cluster made no progress within its own deadline"
    return Diagnosis(failure, hindrance)


def _gave_up(deployment: Manifest) -> bool:
    """Whether the controller stopped waiting for what is wanted now, and not for what was wanted before."""
    said = condition(deployment, "Progressing")
    if said.get("reason") != "ProgressDeadlineExceeded":
        return False
    if number(deployment, "status", "observedGeneration") < number(deployment, "metadata", "generation"):
        return False
    applied = [
        text(each, "time")
        for each in parts(deployment, "metadata", "managedFields")
        if (each.get("manager"), each.get("operation")) == (FIELD_MANAGER, "Apply")
    ]
    return not applied or moment(text(said, "lastUpdateTime")) > moment(max(applied))


def _of_creation(signs: Signs) -> Diagnosis:
    """Pods that could not even be made."""
    refused = condition(signs.replica_set, "ReplicaFailure")
    if refused.get("status") != "True":
        return Diagnosis()
    words = _short(text(refused, "message"))
    if "exceeded quota" in words:
        return Diagnosis(hindrance=f"quota: {words}")
    if _NOT_YET in words or not _REFUSED.search(words):
        return Diagnosis(hindrance=f"pods can't be made: {words}")
    return Diagnosis(failure=f"admission refused: {words}")


def _of_pod(signs: Signs, pod: Manifest) -> Diagnosis:
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("reason") == "Unschedulable":
        return Diagnosis(hindrance=f"no capacity: {_short(text(scheduled, 'message'))}")
    for kind in ("initContainerStatuses", "containerStatuses"):
        for status in parts(pod, "status", kind):
            if kind == "initContainerStatuses" and part(status, "state", "terminated").get("exitCode") == 0:
                continue  # It did what it is for, after however many tries.
            found = _of_waiting(signs, pod, status) or _of_runs(signs, pod, status)
            if found is None and kind == "containerStatuses":
                found = _of_probe(signs, pod, status)
            if found is not None:
                return found
    return Diagnosis()


def _of_waiting(signs: Signs, pod: Manifest, status: Manifest) -> Diagnosis | None:
    """A container that can't begin."""
    waiting = part(status, "state", "waiting")
    reason, words = text(waiting, "reason"), _short(text(waiting, "message"))
    busy = _BUSY.search(text(waiting, "message"))
    told = f"image can't be pulled: {words or reason}"
    if reason == "CreateContainerConfigError":
        missing = f"configuration missing: {words}"
        bound = text(condition(pod, "PodScheduled"), "lastTransitionTime")
        late = not bound or (signs.now - moment(bound)).total_seconds() > signs.startup_deadline_seconds
        return Diagnosis(failure=missing) if late else Diagnosis(hindrance=missing)
    if reason in _NEVER_PULLED or (reason == "ImagePullBackOff" and not busy):
        return Diagnosis(failure=told)
    if reason == "ImagePullBackOff" or reason in _NOT_PULLED_ONCE:
        return Diagnosis(hindrance=told)
    if reason == "CreateContainerError":
        return Diagnosis(hindrance=f"container can't be made: {words or reason}")
    return None


def _of_runs(signs: Signs, pod: Manifest, status: Manifest) -> Diagnosis | None:
    """A container that ended again and again."""
    if number(status, "restartCount") < CRASH_LOOP_RESTARTS:
        return None
    return Diagnosis(failure=_crash_loop(signs, pod, status))


def _crash_loop(signs: Signs, pod: Manifest, status: Manifest) -> str:
    name, restarts = name_of(pod), number(status, "restartCount")
    ended = part(status, "state", "terminated") or part(status, "lastState", "terminated")
    events = signs.events_of(name)
    startup = _latest(events, "Startup probe failed")
    if startup and (number(ended, "exitCode") in (137, 143) or _latest(events, "failed startup probe")):
        return f"never ready within {signs.startup_deadline_seconds:g} s ({startup})"
    killed = f" ({ended['reason']})" if ended.get("reason") not in (None, "Error", "Completed") else ""
    lines = [shown(line) for line in signs.log_of(name, text(status, "name")).splitlines()[-LOG_LINES:] if line.strip()]
    words = text(ended, "message")
    log = f"; its log ends: {' | '.join(lines)}" if lines else f"; {shown(words) if words else 'its log is empty'}"
    return f"crash loop: exit code {text(ended, 'exitCode') or 'unknown'}{killed}, {restarts} times in a row{log}"


def _of_probe(signs: Signs, pod: Manifest, status: Manifest) -> Diagnosis | None:
    """A process that runs and doesn't get ready. One that was ready before is left to readiness itself."""
    started = text(status, "state", "running", "startedAt")
    if not started:
        return None
    began = moment(started)
    if moment(text(condition(pod, "Ready"), "lastTransitionTime") or started) > began:
        return Diagnosis(hindrance="not ready any more")
    waited = (signs.now - began).total_seconds()
    if waited <= signs.startup_deadline_seconds:
        return None
    probe = _latest(signs.events_of(name_of(pod)), "probe failed") or "no probe says why"
    return Diagnosis(failure=f"never ready within {signs.startup_deadline_seconds:g} s ({probe})")


def _latest(events: Sequence[Manifest], words: str) -> str:
    """The newest event's message with these words; empty where there is none."""
    fitting = [event for event in events if words in text(event, "message")]
    fitting.sort(key=lambda event: text(event, "lastTimestamp") or text(event, "eventTime"))
    return _short(text(fitting[-1], "message")) if fitting else ""


def moment(written: str) -> datetime:
    """A time as Kubernetes writes it."""
    return datetime.fromisoformat(written.replace("Z", "+00:00")).astimezone(UTC)


def _short(words: str) -> str:
    return _DIGEST.sub(r"\1...", plain(words))[:_LONGEST_WORDS]
