"""The kubelet: containers begin, get ready, crash, are pulled in vain, and end within their grace period.

A pod's life is a function of its behaviour and the time since it was bound, restarted or deleted. Not emulated: init
containers, liveness and startup probes, several containers with different fates, memory limits, images
that take long."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from shopkart_pipeline_tests.fakes.kubernetes_server.behaviour import Behaviour
from shopkart_pipeline_tests.fakes.kubernetes_server.controllers import pod_status
from shopkart_pipeline_tests.fakes.kubernetes_server.controllers.configuration import missing_configuration
from shopkart_pipeline_tests.fakes.kubernetes_server.controllers.events import tell
from shopkart_pipeline_tests.fakes.kubernetes_server.controllers.replicaset import is_ready
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import POD
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_PULL_FAILS_SECONDS, _PULL_BACKOFF_SECONDS = 0.3, 12.0
_BACKOFF_SHOWN_SECONDS, _FIRST_BACKOFF_SECONDS, _LONGEST_BACKOFF_SECONDS = 1.0, 10.0, 300.0
_QUICK_RESTART_SECONDS = 0.1
_CLEAN_UP_SECONDS = {"starting": 0.6, "down": 0.15}
"""What a deleted pod without a running process takes to end."""


@dataclass
class Life:
    """What the kubelet remembers of a pod."""

    since: datetime
    """When what goes on now began: starting, running, or being down."""
    state: str = "starting"
    """`starting`, `running`, `down` (between two runs), `stopping`, `ended`."""
    address: str = ""
    restarts: int = 0
    probed: datetime | None = None
    deleted: datetime | None = None
    terminated: datetime | None = None
    """When SIGTERM came."""


def reconcile(world: KubernetesWorld) -> None:
    lives: dict[str, Life] = world.memory.setdefault("lives", {})
    seen: set[str] = set()
    for pod in world.store.all(POD):
        uid = pod["metadata"]["uid"]
        seen.add(uid)
        if pod["spec"].get("nodeName"):
            if uid not in lives:
                lives[uid] = Life(world.now())
                _show(world, pod, pod_status.creating)
            else:
                _live(world, pod, lives[uid])
    for uid in set(lives) - seen:
        del lives[uid]
        _processes(world, uid, "kill")


def _live(world: KubernetesWorld, pod: Document, life: Life) -> None:
    container = pod["spec"]["containers"][0]
    behaviour = world.behaviours.of(container)
    if "deletionTimestamp" in pod["metadata"] and life.state != "ended":
        _end(world, pod, life, behaviour)
        return
    passed = (world.now() - life.since).total_seconds()
    match life.state:
        case "starting" if behaviour.pull_error:
            _pull(world, pod, life, behaviour, passed)
        case "starting" if passed >= behaviour.start_seconds:
            _configure(world, pod, life)
        case "running":
            _run(world, pod, life, behaviour, passed)
        case "down":
            _wait(world, pod, life, behaviour, passed)
        case "ended":
            _vanish(world, pod, life)
        case _:
            pass


def _pull(world: KubernetesWorld, pod: Document, life: Life, behaviour: Behaviour, passed: float) -> None:
    image, container = pod["spec"]["containers"][0]["image"], pod["spec"]["containers"][0]["name"]
    if passed < _PULL_FAILS_SECONDS:
        return
    reason = "ErrImagePull" if passed < _PULL_BACKOFF_SECONDS else "ImagePullBackOff"
    told = (
        behaviour.pull_error
        if reason == "ErrImagePull"
        else f'Back-off pulling image "{image}": ErrImagePull: {behaviour.pull_error}'
    )
    life.address = life.address or _address(world)
    before = pod["status"]
    pod = _show(world, pod, pod_status.waiting, life.address, reason, told)
    if pod["status"] != before:
        if reason == "ErrImagePull":
            _tell(world, pod, "Pulling", f'Pulling image "{image}"', container)
            _tell(world, pod, "Failed", f'Failed to pull image "{image}": {behaviour.pull_error}', container, True)
            _tell(world, pod, "Failed", "Error: ErrImagePull", container, True)
        # The events of the back-off come at once, the status shows it later.
        _tell(world, pod, "BackOff", f'Back-off pulling image "{image}"', container)
        _tell(world, pod, "Failed", "Error: ImagePullBackOff", container, True)


def _configure(world: KubernetesWorld, pod: Document, life: Life) -> None:
    why, before = missing_configuration(world, pod), pod["status"]
    if not why:
        _begin(world, pod, life)
        return
    life.address = life.address or _address(world)
    pod = _show(world, pod, pod_status.waiting, life.address, "CreateContainerConfigError", why)
    if pod["status"] != before:
        _tell(world, pod, "Failed", f"Error: {why}", pod["spec"]["containers"][0]["name"], True)


def _begin(world: KubernetesWorld, pod: Document, life: Life) -> None:
    container = pod["spec"]["containers"][0]
    image = container["image"]
    life.address, life.state, life.since = life.address or _address(world), "running", world.now()
    _tell(
        world,
        pod,
        "Pulled",
        f'Container image "{image}" already present on machine and can be accessed by the pod',
        container["name"],
    )
    _tell(world, pod, "Created", "Container created", container["name"])
    _tell(world, pod, "Started", "Container started", container["name"])
    identity = f"sha256:{sha256(image.encode()).hexdigest()}"
    _show(world, pod, pod_status.running, life.address, life.restarts, identity)
    _processes(world, pod["metadata"]["uid"], "begin", pod, life.address)


def _run(world: KubernetesWorld, pod: Document, life: Life, behaviour: Behaviour, passed: float) -> None:
    container = pod["spec"]["containers"][0]
    if behaviour.exit_code is not None and passed >= behaviour.exit_seconds:
        once = pod["spec"]["restartPolicy"] == "Never" or (
            pod["spec"]["restartPolicy"] == "OnFailure" and not behaviour.exit_code
        )
        life.state, life.since = "ended" if once else "down", world.now()
        _processes(world, pod["metadata"]["uid"], "kill")
        _show(world, pod, pod_status.exited, behaviour.exit_code, once)
        return
    fine = behaviour.ready and behaviour.exit_code is None
    probed = "readinessProbe" in container
    ready = not probed or (fine and passed >= behaviour.ready_seconds)
    if probed and not fine:
        _complain(world, pod, life, container, behaviour)
    _show_readiness(world, pod, ready)


def _complain(world: KubernetesWorld, pod: Document, life: Life, container: Document, behaviour: Behaviour) -> None:
    period = container["readinessProbe"]["periodSeconds"]
    if life.probed is not None and (world.now() - life.probed).total_seconds() < period:
        return
    life.probed = world.now()
    get = container["readinessProbe"].get("httpGet", {"path": "/", "port": 8080})
    at = f"http://{life.address}:{get['port']}{get['path']}"
    told = f'Readiness probe failed: Get "{at}": dial tcp {life.address}:{get["port"]}: connect: connection refused'
    told = told if behaviour.exit_code is not None else "Readiness probe failed: HTTP probe failed with statuscode: 503"
    _tell(world, pod, "Unhealthy", told, container["name"], True)


def _wait(world: KubernetesWorld, pod: Document, life: Life, behaviour: Behaviour, passed: float) -> None:
    """Between two runs: the first restart comes at once, the others back off."""
    container = pod["spec"]["containers"][0]["name"]
    backoff = min(_FIRST_BACKOFF_SECONDS * 2 ** (life.restarts - 1), _LONGEST_BACKOFF_SECONDS) if life.restarts else 0.0
    if (passed >= max(backoff, _QUICK_RESTART_SECONDS) and behaviour.exit_code is not None) or (
        behaviour.exit_code is None and passed >= max(backoff, _QUICK_RESTART_SECONDS)
    ):
        life.restarts += 1
        _begin(world, pod, life)
    elif backoff and passed >= _BACKOFF_SHOWN_SECONDS:
        where = f"{pod['metadata']['name']}_{pod['metadata']['namespace']}({pod['metadata']['uid']})"
        told = f"back-off {backoff:.0f}s restarting failed container={container} pod={where}"
        before = pod["status"]
        pod = _show(world, pod, pod_status.backing_off, told)
        if pod["status"] != before:
            _tell(
                world,
                pod,
                "BackOff",
                f"Back-off restarting failed container {container} in pod {where}",
                container,
                True,
            )


def _end(world: KubernetesWorld, pod: Document, life: Life, behaviour: Behaviour) -> None:
    """preStop, SIGTERM, and SIGKILL at the end of the grace period, which runs from the deletion on."""
    now, container = world.now(), pod["spec"]["containers"][0]
    if life.deleted is None:
        life.deleted = now
        if life.state == "running":
            _tell(world, pod, "Killing", f"Stopping container {container['name']}", container["name"])
        pod = _show(world, pod, pod_status.observed)
        if life.state in _CLEAN_UP_SECONDS:
            _show(world, pod, pod_status.abandoned)
            return
    grace = pod["metadata"]["deletionGracePeriodSeconds"]
    passed = (now - life.deleted).total_seconds()
    if life.state == "running":
        sleeps = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if passed >= min(sleeps, grace):
            life.terminated, life.state = now, "stopping"
            _processes(world, pod["metadata"]["uid"], "term")
        else:
            ready = behaviour.ready and (now - life.since).total_seconds() >= behaviour.ready_seconds
            _show_readiness(world, pod, ready)
    if life.state == "stopping" and life.terminated is not None:
        stopped = (
            behaviour.stop_seconds is not None and (now - life.terminated).total_seconds() >= behaviour.stop_seconds
        )
        if not stopped and passed < grace:
            return
        code = 0 if stopped else 137
    elif life.state in ("starting", "down"):
        if passed < _CLEAN_UP_SECONDS[life.state]:
            return
        code = 137 if life.state == "starting" else behaviour.exit_code or 137
    else:
        return
    _processes(world, pod["metadata"]["uid"], "kill")
    life.state, life.since = "ended", now
    _show(world, pod, pod_status.exited, code, True)


def _vanish(world: KubernetesWorld, pod: Document, life: Life) -> None:
    if "deletionTimestamp" not in pod["metadata"] or (world.now() - life.since).total_seconds() < world.pace.removal:
        return
    changed = copied(pod)
    changed["metadata"] |= {"deletionTimestamp": world.stamp(), "deletionGracePeriodSeconds": 0}
    changed = world.store.update(POD, changed)
    if not changed["metadata"].get("finalizers"):
        world.store.remove(POD, pod["metadata"]["namespace"], pod["metadata"]["name"])


def _show_readiness(world: KubernetesWorld, pod: Document, ready: bool) -> None:
    if is_ready(pod) != ready:
        _show(world, pod, pod_status.ready if ready else pod_status.unready)


def _show(world: KubernetesWorld, pod: Document, change: pod_status.Change, *arguments: object) -> Document:
    changed = copied(pod)
    change(changed, world.stamp(), *arguments)
    return pod if changed == pod else world.store.update(POD, changed)


def _tell(
    world: KubernetesWorld, pod: Document, reason: str, message: str, container: str, warning: bool = False
) -> None:
    tell(world, pod, "kubelet", reason, message, warning, container)


def _address(world: KubernetesWorld) -> str:
    number = world.memory["pods"] = world.memory.get("pods", 0) + 1
    return f"{world.pod_network}.{number // 250}.{number % 250 + 1}"


def _processes(world: KubernetesWorld, uid: str, what: str, *arguments: object) -> None:
    processes = world.memory.get("processes")
    if processes is not None:
        getattr(processes, what)(uid, *arguments)
