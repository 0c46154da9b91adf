"""Helm installs, upgrades and takes back the pipeline's chart, in an emulated cluster that checks every object.

Kinds that the emulation doesn't have are left out of the chart: roles and their bindings.
"""

import json
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

import kubernetes
import pytest

from shopkart_pipeline_tests.contract.helm import helm_python
from shopkart_pipeline_tests.fakes import kubernetes_server as emulator
from shopkart_pipeline_tests.fakes.fast_clock import FastClock
from shopkart_pipeline_tests.fakes.kubernetes_server.behaviour import Behaviour
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import DEPLOYMENT, JOB
from shopkart_pipeline_tests.fakes.kubernetes_server.tls import make_certificate
from shopkart_pipeline_tests.pipeline_installation import CHART, IMAGE

pytestmark = pytest.mark.thorough
NAMESPACE, NAME = "shopkart-pipeline", "pipeline"
NEXT = f"sha256:{'b' * 64}"
_LEFT_OUT = ("role", "rolebinding")
_SERVED = """
import json, sys
import helm_python as helm

kubeconfig, chart = sys.argv[1:]
# Releases are kept in memory: the emulation takes no protobuf, in which Helm writes them as Secrets.
with helm.Config(kubeconfig_path=kubeconfig, namespace="shopkart-pipeline", storage_driver="memory") as config:
    for line in sys.stdin:
        act, arguments, values = json.loads(line)
        try:
            given = (chart, "pipeline", values) if act in ("install", "upgrade") else ("pipeline",)
            getattr(config, act)(*given, **arguments)
            print(json.dumps(""), flush=True)
        except helm.HelmError as error:
            print(json.dumps(str(error)), flush=True)
"""


class Helm:
    """One who uses Helm, and the cluster."""

    def __init__(self, world: emulator.KubernetesWorld, kubeconfig: Path, process: "subprocess.Popen[str]") -> None:
        self.world, self.kubeconfig = world, kubeconfig
        self._to, self._from = _pipes(process)

    def does(self, act: str, values: dict[str, Any] | None = None, **arguments: Any) -> str:
        """What went wrong; empty: nothing."""
        self._to.write(json.dumps([act, {"timeout": 60, "wait": "watcher", **arguments}, values]) + "\n")
        self._to.flush()
        return str(json.loads(self._from.readline()))

    def deployments(self) -> dict[str, Any]:
        with self.world.lock:
            return {each["metadata"]["name"]: each["spec"] for each in self.world.list(DEPLOYMENT, NAMESPACE)}

    def images(self) -> set[str]:
        return {spec["template"]["spec"]["containers"][0]["image"] for spec in self.deployments().values()}


def _pipes(process: "subprocess.Popen[str]") -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


@pytest.fixture
def helm(tmp_path: Path) -> Generator[Helm]:
    chart = tmp_path / "shopkart-pipeline"
    shutil.copytree(CHART, chart)
    for name in _LEFT_OUT:
        (chart / "templates" / f"{name}.yaml").unlink()
    world, certificate = emulator.KubernetesWorld(FastClock(20.0)), make_certificate(tmp_path)
    world.add_namespace(NAMESPACE)
    world.add_node("one", cpu="64", memory="256Gi")
    with emulator.running_kubernetes(world, certificate=certificate) as address:
        kubeconfig = emulator.write_kubeconfig(tmp_path / "kubeconfig", address, world.token, certificate=certificate)
        command = [str(helm_python()), "-c", _SERVED, str(kubeconfig), str(chart)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            helm = Helm(world, kubeconfig, process)
            assert helm.does("install") == ""
            yield helm
            _pipes(process)[0].close()


def test_an_installation_ends_when_every_pod_is_ready_and_an_upgrade_can_be_taken_back(helm: Helm) -> None:
    before = helm.deployments()
    with helm.world.lock:
        for each in helm.world.list(DEPLOYMENT, NAMESPACE):
            assert each["status"]["readyReplicas"] == each["spec"]["replicas"]
    values = {"image": {"digest": NEXT}, "dagsterWebserver": {"replicaCount": 3}}
    assert helm.does("upgrade", values) == ""
    assert {image.partition("@")[2] for image in helm.images()} == {NEXT}
    assert helm.deployments()["shopkart-webserver"]["replicas"] == 3
    assert helm.does("rollback") == ""
    assert helm.deployments() == before


def test_a_migration_ends_before_anything_is_changed(helm: Helm) -> None:
    helm.world.behave(Behaviour(exit_code=0), command="dagster instance migrate")
    asked = len(helm.world.requests)
    assert helm.does("upgrade", {"image": {"digest": NEXT}, "migrate": {"enabled": True}}) == ""
    later = [
        (each.method, each.path) for each in helm.world.requests[asked:] if each.method in ("POST", "PATCH", "DELETE")
    ]
    made = next(place for place, (method, path) in enumerate(later) if "/jobs" in path and method != "DELETE")
    changed = next(place for place, (_, path) in enumerate(later) if "/deployments/" in path)
    assert made < changed
    assert {image.partition("@")[2] for image in helm.images()} == {NEXT}
    with helm.world.lock:
        assert not [each for each in helm.world.list(JOB, NAMESPACE) if "deletionTimestamp" not in each["metadata"]]


def test_a_migration_that_fails_leaves_everything_as_it_was(helm: Helm) -> None:
    helm.world.behave(Behaviour(exit_code=1), command="dagster instance migrate")
    before = helm.deployments()
    values = {"image": {"digest": NEXT}, "migrate": {"enabled": True}}
    assert "pre-upgrade hooks failed" in helm.does("upgrade", values, rollback_on_failure=True)
    assert helm.deployments() == before


def test_an_image_that_is_not_there_is_taken_back(helm: Helm) -> None:
    helm.world.behave(Behaviour(pull_error="not found"), image=NEXT)
    said = helm.does("upgrade", {"image": {"digest": NEXT}}, rollback_on_failure=True, timeout=10)
    assert said
    assert helm.images() == {IMAGE}


def test_a_number_that_somebody_else_has_set_is_a_conflict_that_is_told(helm: Helm) -> None:
    configuration: Any = kubernetes.config
    api: Any = kubernetes.client.AppsV1Api(configuration.new_client_from_config(str(helm.kubeconfig)))
    none = {"spec": {"replicas": 0}}
    api.patch_namespaced_deployment_scale("shopkart-daemon", NAMESPACE, none, field_manager="kubectl")
    said = helm.does("upgrade", {"image": {"digest": NEXT}})
    assert "conflict" in said
    assert ".spec.replicas" in said
