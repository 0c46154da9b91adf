"""What keeps replicas from getting ready, and whether waiting helps."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shopkart_pipeline.adapters.kubernetes.diagnosis import Diagnosis, Signs, diagnose
from shopkart_pipeline_tests.kubernetes_replay import recordings

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_REFERENCE = f"registry.example/shop/web@sha256:{'a' * 64}"
_PULLING = f'Back-off pulling image "{_REFERENCE}": ErrImagePull: failed to pull and unpack image "{_REFERENCE}": '
_RESOLVING = f'failed to resolve reference "{_REFERENCE}": '


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _signs(*pods: Any, deployment: Any = None, replica_set: Any = None, events: Any = (), log: str = "") -> Signs:
    return Signs(
        deployment=deployment or {"metadata": {"generation": 1}},
        replica_set=replica_set,
        pods=pods,
        startup_deadline_seconds=20.0,
        now=NOW,
        events_of=lambda pod: events,
        log_of=lambda pod, container: f"{container} says {log}" if log else "",
    )


def _waiting(reason: str, message: str, *, scheduled: datetime = NOW, kind: str = "containerStatuses") -> Any:
    bound = {"type": "PodScheduled", "status": "True", "lastTransitionTime": _written(scheduled)}
    state = {"name": "web", "restartCount": 0, "state": {"waiting": {"reason": reason, "message": message}}}
    return {"metadata": {"name": "web-1"}, "status": {"conditions": [bound], kind: [state]}}


def _stuck(generation: int, observed: int, applied: datetime | None = None) -> Any:
    """A Deployment whose controller gave up at noon."""
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    late["lastUpdateTime"] = _written(NOW)
    metadata: Any = {"generation": generation}
    if applied is not None:
        entry = {"manager": "shopkart", "operation": "Apply", "time": _written(applied)}
        metadata["managedFields"] = [entry, {"manager": "kube-controller-manager", "operation": "Update"}]
    return {"metadata": metadata, "status": {"observedGeneration": observed, "conditions": [late]}}


def test_a_deadline_that_passed_says_nothing_about_what_was_applied_since() -> None:
    assert diagnose(_signs(deployment=_stuck(2, 2, NOW - timedelta(minutes=2)))).failure
    assert diagnose(_signs(deployment=_stuck(2, 2))).failure
    assert diagnose(_signs(deployment=_stuck(3, 2, NOW - timedelta(minutes=2)))) == Diagnosis()
    # The controller has seen it and has nothing to report yet, as where an older ReplicaSet comes back.
    assert diagnose(_signs(deployment=_stuck(3, 3, NOW + timedelta(seconds=1)))) == Diagnosis()


def test_a_real_cluster_that_gave_up_is_not_asked_about_the_version_that_follows() -> None:
    told: list[tuple[int, bool]] = []
    for line in recordings()["03-crash-loop-and-undo"]:
        found = line.get("event", {}).get("object", {})
        if found.get("kind") == "Deployment":
            told.append((found["metadata"]["generation"], diagnose(_signs(deployment=found)).failure is not None))
    assert (3, True) in told
    assert [failed for generation, failed in told if generation == 4].count(True) == 0


@pytest.mark.parametrize(
    "cause",
    [
        'failed to do request: Head "http://r/": dial tcp 10.0.0.1:5000: connect: connection refused',
        "unexpected status from HEAD request to https://r/v2/: 429 Too Many Requests",
        "unexpected status from GET request to https://r/v2/: 503 Service Unavailable",
        'failed to do request: Get "https://r/": net/http: TLS handshake timeout',
        "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
        "pull QPS exceeded",
        "dial tcp: lookup registry.example: i/o timeout",
    ],
)
def test_a_registry_that_is_busy_may_answer_later(cause: str) -> None:
    found = diagnose(_signs(_waiting("ImagePullBackOff", _PULLING + _RESOLVING + cause)))
    assert found.failure is None
    assert str(found.hindrance).startswith("image can't be pulled: ")
    assert str(found.hindrance).endswith(cause)


@pytest.mark.parametrize(
    "cause",
    [
        f"{_REFERENCE}: not found",
        "pull access denied, repository does not exist or may require authorization",
        "unexpected status from HEAD request to https://r/v2/: 403 Forbidden",
        "no match for platform in manifest: not found",
    ],
)
def test_an_image_that_is_not_to_be_had_is_a_failure_with_its_cause(cause: str) -> None:
    found = diagnose(_signs(_waiting("ImagePullBackOff", _PULLING + _RESOLVING + cause)))
    assert str(found.failure).startswith("image can't be pulled: ")
    assert str(found.failure).endswith(cause.replace("a" * 64, f"{'a' * 12}..."))


def test_an_initial_containers_image_counts_too() -> None:
    pod = _waiting("ImagePullBackOff", "manifest unknown", kind="initContainerStatuses")
    assert diagnose(_signs(pod)).failure == "image can't be pulled: manifest unknown"


def test_a_secret_may_come_a_moment_later_than_the_replica_that_needs_it() -> None:
    words = 'secret "web-secrets-0123456789" not found'
    early = diagnose(_signs(_waiting("CreateContainerConfigError", words, scheduled=NOW - timedelta(seconds=19))))
    assert early == Diagnosis(hindrance=f"configuration missing: {words}")
    late = diagnose(_signs(_waiting("CreateContainerConfigError", words, scheduled=NOW - timedelta(seconds=21))))
    assert late == Diagnosis(failure=f"configuration missing: {words}")


@pytest.mark.parametrize(
    ("words", "waits"),
    [
        ('pods "w" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities', False),
        ('admission webhook "v.example" denied the request: unsigned image', False),
        ('Internal error occurred: failed calling webhook "v.example": context deadline exceeded', True),
        ("etcdserver: request timed out", True),
        ('pods "w" is forbidden: error looking up service account shop/web: serviceaccount "web" not found', True),
        ('pods "w" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2', True),
    ],
)
def test_what_keeps_pods_from_being_made_is_a_refusal_or_passes(words: str, waits: bool) -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": words}
    found = diagnose(_signs(replica_set={"status": {"conditions": [failure]}}))
    assert (found.hindrance is not None, found.failure is not None) == (waits, not waits)
    assert words in f"{found.hindrance}{found.failure}"


def _restarted(exit_code: int, message: str = "") -> Any:
    ended = {"exitCode": exit_code, "reason": "StartError" if message else "Error"} | (
        {"message": message} if message else {}
    )
    status = {"name": "web", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    return {
        "metadata": {"name": "web-1"},
        "status": {"containerStatuses": [status | {"lastState": {"terminated": ended}}]},
    }


def test_a_process_that_can_not_even_begin_says_why() -> None:
    words = 'exec: "python": executable file not found in $PATH'
    assert words in str(diagnose(_signs(_restarted(128, words))).failure)


def test_a_process_that_drains_when_its_startup_probe_kills_it_was_never_ready() -> None:
    events = [
        {"message": "Startup probe failed: HTTP probe failed with statuscode: 503"},
        {"message": "Container web failed startup probe, will be restarted"},
    ]
    assert str(diagnose(_signs(_restarted(0), events=events)).failure).startswith("never ready within 20 s")
    assert str(diagnose(_signs(_restarted(0), events=events[:1])).failure).startswith("crash loop: exit code 0")


def test_the_log_is_that_of_the_container_that_ended_and_not_of_one_beside_it() -> None:
    told = str(diagnose(_signs(_restarted(7), log="no database")).failure)
    assert told == "crash loop: exit code 7, 3 times in a row; its log ends: web says no database"


def test_an_initial_container_that_ended_well_at_last_is_no_crash_loop() -> None:
    status = {"name": "wait", "restartCount": 4, "state": {"terminated": {"exitCode": 0}}}
    pod = _waiting("PodInitializing", "")
    pod["status"]["initContainerStatuses"] = [status]
    assert diagnose(_signs(pod)) == Diagnosis()
    pod["status"]["initContainerStatuses"] = [status | {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
    assert str(diagnose(_signs(pod)).failure).startswith("crash loop")
