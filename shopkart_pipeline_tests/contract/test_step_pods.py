"""Step pods by Dagster's own client, against an emulated Kubernetes that checks them by the real one's schemas.

A pod that is made there is carried out by this test: the entry's code with the environment that the pod has, or an end
that a cluster gives to pods. The node agent of the emulator is switched off for it."""

import ctypes
import itertools
import json
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetExecutionContext, DagsterExecutionInterruptedError
from dagster_pipes import decode_param

from shopkart_pipeline.adapters.declared_command import DeclaredCommand
from shopkart_pipeline.adapters.step_pod.carry_out import carry_out
from shopkart_pipeline.adapters.step_pod.errand import ADDRESS, PACKAGE_DIGEST, WORD, Errands
from shopkart_pipeline.adapters.step_pod.scanner import ScannerInPod
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.step_pods import DEFAULT_STEP_POD, StepPodOrder
from shopkart_pipeline.engine.pipes_pods import PipesStepPods
from shopkart_pipeline_tests.contract.step_contexts import kubernetes_default_kept, step_context
from shopkart_pipeline_tests.fakes import kubernetes_server as emulator
from shopkart_pipeline_tests.fakes.fake_scm import FakeSourceControl
from shopkart_pipeline_tests.fakes.fast_clock import FastClock
from shopkart_pipeline_tests.fakes.github_server.trouble import Trouble
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import POD, SERVICE_ACCOUNT
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied
from shopkart_pipeline_tests.fakes.local_step_pods import PLACE
from shopkart_pipeline_tests.pipeline_installation import objects
from shopkart_pipeline_tests.scan_requests import a_request, a_service, a_stage, evidence_of
from shopkart_pipeline_tests.unit.adapters.step_pod.test_tools_in_pods import JUNIT, tools

POLL_SECONDS, PATIENCE_SECONDS = 0.05, 0.6
EXTRAS = {ADDRESS: "http://127.0.0.1:1", WORD: "sesame", PACKAGE_DIGEST: "-"}
NUMBERS = itertools.count()
Status = dict[str, Any]


def an_order() -> StepPodOrder:
    return StepPodOrder(f"scan-{next(NUMBERS)}", DEFAULT_STEP_POD, 60.0, EXTRAS)


class Cluster:
    """An emulated cluster whose pods do what a test says."""

    def __init__(self, world: emulator.KubernetesWorld, kubeconfig: str) -> None:
        self.world, self.kubeconfig = world, kubeconfig
        self.behave: Callable[[dict[str, Any]], Status | None] = lambda pod: None
        self.seen = dict[str, dict[str, Any]]()
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    def _live(self) -> None:
        while not self.over.wait(POLL_SECONDS):
            for pod in self.world.list(POD, PLACE.namespace):
                name = pod["metadata"]["name"]
                if name not in self.seen:
                    self.seen[name] = pod
                    threading.Thread(target=self._run, args=(pod,), daemon=True).start()

    def _run(self, pod: dict[str, Any]) -> None:
        self.show(pod, running())
        status = self.behave(pod)
        if status is not None:
            self.show(pod, status)

    def show(self, pod: dict[str, Any], status: Status) -> None:
        with self.world.lock:
            found = self.world.store.get(POD, PLACE.namespace, pod["metadata"]["name"])
            if found is not None:
                changed = copied(found)
                changed["status"] |= status
                self.world.store.update(POD, changed)

    def pods(self) -> list[dict[str, Any]]:
        return self.world.list(POD, PLACE.namespace)


def running() -> Status:
    return _status("Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})


def ended(code: int = 0, why: str = "Completed", **status: str) -> Status:
    state = {"terminated": {"exitCode": code, "reason": why, "startedAt": None, "finishedAt": None}}
    return {**_status("Failed" if code else "Succeeded", state), **status}


def waiting(reason: str, message: str) -> Status:
    return _status("Pending", {"waiting": {"reason": reason, "message": message}})


def _status(phase: str, state: dict[str, Any]) -> Status:
    about = {"name": "step", "ready": False, "restartCount": 0, "image": PLACE.image, "imageID": "", "lastState": {}}
    return {"phase": phase, "containerStatuses": [{**about, "state": state}]}


@pytest.fixture(scope="module")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    world = emulator.KubernetesWorld(FastClock(20.0))
    world.stalled |= {"kubelet", "garbage"}
    world.add_namespace(PLACE.namespace)
    with world.lock:
        world.store.create(SERVICE_ACCOUNT, objects("ServiceAccount")["step"])
    with emulator.running_kubernetes(world) as address, kubernetes_default_kept():
        folder = tmp_path_factory.mktemp("cluster")
        cluster = Cluster(world, str(emulator.write_kubeconfig(folder / "kubeconfig", address, world.token)))
        yield cluster
        cluster.over.set()


@pytest.fixture
def cluster(running_cluster: Cluster) -> Cluster:
    running_cluster.behave = lambda pod: None
    with running_cluster.world.lock:
        for pod in running_cluster.pods():
            running_cluster.world.store.remove(POD, PLACE.namespace, pod["metadata"]["name"])
    running_cluster.seen.clear()
    running_cluster.world.requests.clear()
    return running_cluster


@pytest.fixture(scope="module")
def context() -> Generator[AssetExecutionContext]:
    with step_context() as under_way:
        yield under_way


def pods_of(cluster: Cluster, context: AssetExecutionContext, **limits: float) -> PipesStepPods:
    usual = {"poll_seconds": POLL_SECONDS, "start_seconds": 3.0, "patience_seconds": PATIENCE_SECONDS}
    return PipesStepPods(context, PLACE, kubeconfig=cluster.kubeconfig, **{**usual, **limits})


def test_a_pod_is_made_carried_out_heard_and_removed(
    cluster: Cluster, context: AssetExecutionContext, tmp_path: Path
) -> None:
    stage = a_stage(StageKind.UNIT_TESTS, command=("/bin/sh", "run.sh"), junit="junit.xml")
    service = a_service("backend", (), stage)
    request = a_request(tmp_path, {"backend/run.sh": f"echo '{JUNIT}' > junit.xml"}, stage=stage, service=service)

    def behave(pod: dict[str, Any]) -> Status:
        variables = {each["name"]: each["value"] for each in pod["spec"]["containers"][0]["env"]}
        told = decode_param(variables["DAGSTER_PIPES_CONTEXT"])["data"]["extras"]
        carry_out(told[ADDRESS], told[WORD], told[PACKAGE_DIGEST], tools(tmp_path / "pod", service))
        return ended()

    cluster.behave = behave
    sent = Errands(pods_of(cluster, context), PLACE, DEFAULT_STEP_POD, tmp_path / "private", (0, 0))
    run = ScannerInPod(DeclaredCommand(FakeSourceControl()), sent, FakeSourceControl()).scan(request)
    evidence = evidence_of(run)
    assert evidence.measures["tests"] == 1.0
    [pod] = cluster.seen.values()
    assert pod["metadata"]["labels"]["shopkart/run-kind"] == "steps"
    assert pod["spec"]["activeDeadlineSeconds"] == 150
    # Nobody else is told the word, and the cluster's objects hold nothing of ours.
    assert "SHOPKART_DAGSTER_DB" not in json.dumps(pod)
    assert all("deletionTimestamp" in each["metadata"] for each in cluster.pods())
    # What the emulated pod wrote.
    assert "listening on 8080" in request.log.read_text()


ENDS: dict[str, tuple[Status, str]] = {
    "memory": (ended(137, "OOMKilled"), "it used more memory than its limit of 4Gi; raise `memory_limit`"),
    "deadline": (ended(137, "Error", reason="DeadlineExceeded"), "it was killed at its deadline, 60 s after it began"),
    "eviction": (
        ended(137, "Error", reason="Evicted", message="The node was low on resource: memory."),
        "it was evicted: The node was low on resource: memory.",
    ),
    "exit code": (ended(3, "Error"), "it ended with exit code 3; the stage's log says why"),
    "without a word": ({"phase": "Failed", "containerStatuses": []}, "it failed: the cluster does not say why"),
    "image": (waiting("ErrImagePull", "not found"), "its image can't be pulled: not found"),
    "configuration": (
        waiting("CreateContainerConfigError", "no such user"),
        "it can't begin: CreateContainerConfigError: no such user",
    ),
}


@pytest.mark.parametrize(("status", "told"), ENDS.values(), ids=ENDS)
def test_what_kills_a_pod_is_told_by_its_name(
    cluster: Cluster, context: AssetExecutionContext, tmp_path: Path, status: Status, told: str
) -> None:
    cluster.behave = lambda pod: status
    reason = pods_of(cluster, context).run(an_order(), tmp_path / "log")
    assert reason is not None
    assert told in reason
    assert all("deletionTimestamp" in each["metadata"] for each in cluster.pods())


def test_a_pod_that_finds_no_node_is_given_up_in_time(
    cluster: Cluster, context: AssetExecutionContext, tmp_path: Path
) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    cluster.behave = lambda pod: {"phase": "Pending", "containerStatuses": [], "conditions": [condition]}
    reason = pods_of(cluster, context, start_seconds=0.4).run(an_order(), tmp_path / "log")
    assert reason == "it did not start within 0 s: no node takes it: 0/3 nodes"


def test_a_pod_that_somebody_removes_is_missed(
    cluster: Cluster, context: AssetExecutionContext, tmp_path: Path
) -> None:
    def behave(pod: dict[str, Any]) -> None:
        with cluster.world.lock:
            cluster.world.store.remove(POD, PLACE.namespace, pod["metadata"]["name"])

    cluster.behave = behave
    assert "remove" in str(pods_of(cluster, context).run(an_order(), tmp_path / "log"))


def test_what_the_api_refuses_is_told(cluster: Cluster, context: AssetExecutionContext, tmp_path: Path) -> None:
    cluster.world.admission.append(lambda operation, resource, document: "no pods today" if resource is POD else None)
    reason = str(pods_of(cluster, context).run(an_order(), tmp_path / "log"))
    cluster.world.admission.clear()
    assert "it can't be made: " in reason
    assert "no pods today" in reason


def test_an_api_that_is_away_for_a_moment_does_no_harm_and_for_longer_is_a_reason(
    cluster: Cluster, context: AssetExecutionContext, tmp_path: Path
) -> None:
    cluster.behave = lambda pod: cluster.world.troubles.make(Trouble(times=2, method="GET", status=503)) or ended()
    assert pods_of(cluster, context).run(an_order(), tmp_path / "log") is None
    cluster.behave = lambda pod: cluster.world.troubles.make(Trouble(times=10_000, method="GET", status=503))
    reason = pods_of(cluster, context).run(an_order(), tmp_path / "log")
    cluster.world.troubles.coming.clear()
    assert str(reason).startswith("the cluster's API has not answered for 1 s")


def test_a_run_that_is_cancelled_takes_its_pod_along(
    cluster: Cluster, context: AssetExecutionContext, tmp_path: Path
) -> None:
    ended_by = list[BaseException]()

    def run() -> None:
        try:
            pods_of(cluster, context).run(an_order(), tmp_path / "log")
        except BaseException as error:
            ended_by.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: bool(cluster.seen))
    raised = ctypes.py_object(DagsterExecutionInterruptedError)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), raised)
    thread.join(20.0)
    assert [type(each) for each in ended_by] == [DagsterExecutionInterruptedError]
    assert all("deletionTimestamp" in each["metadata"] for each in cluster.pods())


def until(happened: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 20.0
    while not happened():
        assert time.monotonic() < ends_at
        time.sleep(POLL_SECONDS)
