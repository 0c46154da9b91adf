"""Rules of a pod: what it may do, what it gets, how it is probed, how it ends."""

import math
import re
from collections.abc import Iterator

from shopkart_pipeline.adapters._findings import Located
from shopkart_pipeline.adapters.kubernetes.located import Node
from shopkart_pipeline.adapters.kubernetes.names import image_name
from shopkart_pipeline.adapters.kubernetes.rules import Checked, containers_of, is_main, named, pod_of, says
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline.domain.pod import GRACE_MARGIN_SECONDS

_HIGH, _MEDIUM = Severity.HIGH, Severity.MEDIUM
_DEFAULT_GRACE_SECONDS = 30
_SLEEP = re.compile(r"\bsleep\s+(\d+)\b")
_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE)
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_PROBE_KINDS = ("httpGet", "grpc", "tcpSocket", "exec")


def pod_rules(checked: Checked) -> Iterator[Located]:
    """What is wrong with pods, whatever kind of workload they are of."""
    own_image = checked.own_image
    for workload in checked.workloads:
        pod = pod_of(workload)
        yield from _host(pod)
        yield from _identity(pod, named(workload))
        for container in (*pod.items("initContainers"), *containers_of(workload)):
            yield from _rights(container, pod)
            yield from _image(container, own_image)
            yield from _plain_secrets(container)
            yield from _resources(container)


def serving_rules(checked: Checked) -> Iterator[Located]:
    """What is wrong with how replicas of Deployments start, serve and end."""
    for workload in checked.of_kind("Deployment"):
        pod = pod_of(workload)
        for container in containers_of(workload):
            if container.items("ports") or is_main(workload, container, checked.service):
                yield from _probes(container)
                yield from _ending(container, pod, checked.drain_seconds)


def pre_stop_seconds(container: Node) -> int | None:
    """How long `preStop` waits; None where it does not say, or there is none."""
    hook = container.get("lifecycle", "preStop")
    if hook is None:
        return None
    if hook.get("sleep"):
        seconds = hook.value("sleep", "seconds")
        return seconds if isinstance(seconds, int) else None
    slept = _SLEEP.search(" ".join(str(word.content) for word in hook.items("exec", "command")))
    return int(slept[1]) if slept else None


def _host(pod: Node) -> Iterator[Located]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.value(key) is True:
            yield says("host-namespace", _HIGH, pod.nearest(key), f"{key} gives it the node's own; take it away")
    for volume in pod.items("volumes"):
        if volume.get("hostPath"):
            message = "a folder of the node is mounted; write `emptyDir: {}` or a claim instead of `hostPath`"
            yield says("host-path", _HIGH, volume.nearest("hostPath"), message)


def _identity(pod: Node, name: str) -> Iterator[Located]:
    if pod.value("automountServiceAccountToken") is not False:
        message = f"the pods of {name} get a token for the API; write `automountServiceAccountToken: false`"
        yield says("service-account-token", _MEDIUM, pod.nearest("automountServiceAccountToken"), message)


def _rights(container: Node, pod: Node) -> Iterator[Located]:
    name, own, common = container.text("name"), ("securityContext",), pod.get("securityContext")
    place = container.nearest(*own)

    def said(key: str) -> object:
        found = container.value(*own, key)
        return found if found is not None or common is None else common.value(key)

    if said("runAsNonRoot") is not True or said("runAsUser") == 0:
        message = f"{name} may run as root; write `runAsNonRoot: true`, and no `runAsUser: 0`, in `securityContext`"
        yield says("run-as-root", _HIGH, place.nearest("runAsNonRoot"), message)
    for rule, key, wanted in (
        ("writable-root", "readOnlyRootFilesystem", True),
        ("privilege-escalation", "allowPrivilegeEscalation", False),
    ):
        if container.value(*own, key) is not wanted:
            message = f"write `{key}: {str(wanted).lower()}` in the `securityContext` of {name}"
            yield says(rule, _HIGH, place.nearest(key), message)
    if container.value(*own, "privileged") is True:
        yield says("privileged", _HIGH, place.nearest("privileged"), f"write `privileged: false` for {name}")
    dropped = [str(each.content) for each in container.items(*own, "capabilities", "drop")]
    if "ALL" not in dropped:
        message = f"write `capabilities: {{drop: [ALL]}}` in the `securityContext` of {name}"
        yield says("capabilities", _MEDIUM, place.nearest("capabilities", "drop"), message)
    profile = container.text(*own, "seccompProfile", "type") or pod.text(*own, "seccompProfile", "type")
    if profile not in ("RuntimeDefault", "Localhost"):
        message = f"write `seccompProfile: {{type: RuntimeDefault}}` in the `securityContext` of {name} or its pod"
        yield says("seccomp", _MEDIUM, place.nearest("seccompProfile", "type"), message)


def _image(container: Node, own_image: str | None) -> Iterator[Located]:
    """The pipeline sets the digest of the service's own image; every other one has to name it."""
    image = container.text("image")
    if image_name(image) == own_image or _DIGEST.search(image):
        return
    last = image.rpartition("/")[2]
    if ":" not in last or last.endswith(":latest"):
        message = f"{image or 'no image'} is another image every day; write NAME@sha256:DIGEST"
        yield says("image-latest", _HIGH, container.nearest("image"), message)
    else:
        message = f"the tag of {image} can be moved; write NAME@sha256:DIGEST"
        yield says("image-tag", _HIGH, container.nearest("image"), message)


def _plain_secrets(container: Node) -> Iterator[Located]:
    for variable in container.items("env"):
        name = variable.text("name")
        if _SECRET_NAME.search(name) and variable.text("value"):
            message = f"{name} has its value in the manifest; write `valueFrom: {{secretKeyRef: ...}}`, and change it"
            yield says("plain-secret", _HIGH, variable.nearest("value"), message)


def _resources(container: Node) -> Iterator[Located]:
    name = container.text("name")
    for kind in ("cpu", "memory"):
        if not container.text("resources", "requests", kind):
            place = container.nearest("resources", "requests")
            message = f"{name} asks for no {kind}, so it is put anywhere; write `requests: {{{kind}: ...}}`"
            yield says("no-requests", _HIGH, place, message)
    if not container.text("resources", "limits", "memory"):
        message = f"{name} may take all memory of its node; write `limits: {{memory: ...}}`"
        yield says("no-memory-limit", _MEDIUM, container.nearest("resources", "limits"), message)


def _probes(container: Node) -> Iterator[Located]:
    name = container.text("name")
    for key, severity, why in (
        ("startupProbe", _MEDIUM, "a slow start looks like a dead replica"),
        ("readinessProbe", _HIGH, "requests reach it before it can answer them"),
        ("livenessProbe", _MEDIUM, "a replica that hangs is never started anew"),
    ):
        if not any(container.get(key, kind) for kind in _PROBE_KINDS):
            rule = f"no-{key.removesuffix('Probe')}-probe"
            yield says(rule, severity, container.nearest(key), f"{name} has no {key}: {why}; write one")
    readiness, liveness = container.get("readinessProbe"), container.get("livenessProbe")
    if readiness is not None and liveness is not None and _handler(readiness) == _handler(liveness):
        message = f"both probes of {name} ask the same: a busy replica is killed instead of relieved; ask another path"
        yield says("probes-alike", _MEDIUM, liveness, message)


def _handler(probe: Node) -> object:
    return [(kind, found.plain()) for kind in _PROBE_KINDS if (found := probe.get(kind)) is not None]


def _ending(container: Node, pod: Node, drain_seconds: float) -> Iterator[Located]:
    name, hook = container.text("name"), container.get("lifecycle", "preStop")
    wait_seconds = pre_stop_seconds(container)
    if hook is None or wait_seconds == 0:
        message = (
            f"requests still come to {name} when it ends; write `lifecycle: {{preStop: {{sleep: {{seconds: 5}}}}}}`"
        )
        yield says("no-pre-stop", _HIGH, container.nearest("lifecycle", "preStop"), message)
    grace = pod.value("terminationGracePeriodSeconds")
    grace_seconds = grace if isinstance(grace, int) else _DEFAULT_GRACE_SECONDS
    needed_seconds = math.ceil((wait_seconds or 0) + drain_seconds)
    if grace_seconds <= needed_seconds:
        message = (
            f"{name} is killed after {grace_seconds} s, and preStop and draining take {needed_seconds} s; "
            f"write `terminationGracePeriodSeconds: {needed_seconds + GRACE_MARGIN_SECONDS}`"
        )
        yield says("grace-period", _HIGH, pod.nearest("terminationGracePeriodSeconds"), message)
