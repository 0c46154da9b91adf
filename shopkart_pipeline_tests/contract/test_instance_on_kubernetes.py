"""Dagster on the generated `dagster.yaml`: its storage in a real PostgreSQL, outputs of steps in moto's S3, and runs as
Jobs of an emulated Kubernetes, which checks them against the real one's schemas."""

import json
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import boto3
import pytest
import yaml
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.code_pointer import CodePointer
from dagster._core.launcher.base import WorkerStatus
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.engine.counting_coordinator import COUNTED_TAG
from shopkart_pipeline.engine.places import ENVIRONMENT_TAG, GROUP_TAG, NO_LIMIT, SERVICE_TAG
from shopkart_pipeline_tests.contract.postgres import Postgres
from shopkart_pipeline_tests.contract.postgres_storage import packages
from shopkart_pipeline_tests.contract.step_contexts import kubernetes_default_kept
from shopkart_pipeline_tests.fakes import kubernetes_server as emulator
from shopkart_pipeline_tests.fakes.fast_clock import FastClock
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import JOB, POD, SERVICE_ACCOUNT
from shopkart_pipeline_tests.pipeline_installation import IMAGE, files, objects

BUCKET, REGION, NAMESPACE = f"logs-{uuid4().hex[:12]}", "eu-central-1", "shopkart-pipeline"
MERGE, PROPOSED = "20260101-101010-aaaaaaaaaaaa", "pr-000007-aaaaaaaaaaaa"


def may(account: str) -> Callable[[str, str, str, str], bool]:
    """What the manifests give a service account, and nothing else."""
    subject = {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}
    bound = [each["roleRef"]["name"] for each in objects("RoleBinding").values() if subject in each["subjects"]]
    rules = [rule for name in bound for rule in objects("Role")[name]["rules"]]

    def allowed(verb: str, group: str, resource: str, namespace: str) -> bool:
        return namespace == NAMESPACE and any(
            verb in rule["verbs"] and group in rule["apiGroups"] and resource in rule["resources"] for rule in rules
        )

    return allowed


class Home:
    """An instance on everything that it is configured for."""

    def __init__(self, instance: DagsterInstance, world: emulator.KubernetesWorld, folder: Path, token: str) -> None:
        self.instance, self.world, self.folder, self.token = instance, world, folder, token

    def run(self, job: str, release: str | None = None, **tags: str) -> DagsterRun:
        pointer = CodePointer.from_module("shopkart_pipeline.definitions", "defs", "/app")
        repository = RepositoryPythonOrigin(sys.executable, pointer, entry_point=DEFAULT_DAGSTER_ENTRY_POINT)
        partition = {PARTITION_NAME_TAG: release} if release else {}
        location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name=pointer.module), "shopkart")
        run = DagsterRun(
            job,
            str(uuid4()),
            tags={**tags, **partition},
            remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), job),
            job_code_origin=JobPythonOrigin(job, repository),
        )
        return self.instance.run_storage.add_run(run)

    def pods(self, job: str) -> list[dict[str, Any]]:
        """What there is of a Job's pods."""
        return [pod for pod in self.world.list(POD, NAMESPACE) if pod["metadata"]["labels"].get("job-name") == job]

    def become(self, account: str) -> None:
        """Ask the cluster as another service account from now on."""
        self.world.users[self.token] = emulator.User(account, may(account))

    def launched(self, run: DagsterRun) -> dict[str, Any]:
        """The Job that a run becomes."""
        self.instance.launch_run(run.run_id, workspace=None)  # pyright: ignore[reportArgumentType]
        return next(job for job in self.world.list(JOB, NAMESPACE) if run.run_id in job["metadata"]["name"])


@pytest.fixture(scope="module")
def home(postgres: Postgres, moto: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Home]:
    folder, database = tmp_path_factory.mktemp("instance"), urlsplit(postgres.address())
    world = emulator.KubernetesWorld(FastClock(20.0))
    world.add_namespace(NAMESPACE)
    token = world.add_user("daemon", may("daemon"))
    with world.lock:
        for account in objects("ServiceAccount").values():
            world.store.create(SERVICE_ACCOUNT, account)
    with (
        pytest.MonkeyPatch.context() as patched,
        emulator.running_kubernetes(world) as address,
        kubernetes_default_kept(),
    ):
        patched.syspath_prepend(packages())
        for name, value in {
            "SHOPKART_DAGSTER_DB_HOST": str(database.hostname),
            "SHOPKART_DAGSTER_DB_NAME": database.path[1:],
            "SHOPKART_DAGSTER_DB_USER": str(database.username),
            "SHOPKART_DAGSTER_DB_PASSWORD": postgres.password,
            "SHOPKART_COMPUTE_LOGS_BUCKET": BUCKET,
            "SHOPKART_IMAGE": IMAGE,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL_S3": moto,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }.items():
            patched.setenv(name, value)
        place = {"LocationConstraint": REGION}
        s3 = boto3.client("s3", region_name=REGION, endpoint_url=moto)
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
        configured = yaml.safe_load(files()["dagster.yaml"])
        configured["run_launcher"]["config"] |= {
            "load_incluster_config": False,
            "kubeconfig_file": str(emulator.write_kubeconfig(folder / "kubeconfig", address, token)),
        }
        # Tests share a server, and each has a place of its own in it.
        params = {"options": parse_qs(database.query)["options"][0]}
        configured["storage"]["custom"]["config"]["postgres_db"] |= {"port": database.port, "params": params}
        configured["local_artifact_storage"]["config"]["base_dir"] = str(folder / "artifacts")
        configured["compute_logs"]["config"]["local_dir"] = str(folder / "outputs")
        (folder / "dagster.yaml").write_text(yaml.safe_dump(configured))
        with DagsterInstance.from_config(str(folder)) as instance:
            yield Home(instance, world, folder, token)


def test_everything_is_kept_in_the_database_and_found_by_the_next_process(home: Home) -> None:
    home.instance.add_dynamic_partitions("backend_releases", [MERGE])
    run = home.run("backend_ci", MERGE)
    assert type(home.instance.run_storage).__name__ == "PatientRuns"
    with DagsterInstance.from_config(str(home.folder)) as other:
        assert other.get_dynamic_partitions("backend_releases") == [MERGE]
        found = other.get_run_by_id(run.run_id)
        assert found is not None
        assert found.tags[PARTITION_NAME_TAG] == MERGE
    assert not list(home.folder.rglob("*.db"))
    assert home.instance.root_directory == str(home.folder / "artifacts")


def test_outputs_of_steps_are_in_the_bucket(home: Home, moto: str) -> None:
    with home.instance.compute_log_manager.capture_logs(["run", "compute_logs", "step"]):
        print("forty-two tests passed")
    s3 = boto3.client("s3", region_name=REGION, endpoint_url=moto)
    kept = {each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert "compute-logs/storage/run/compute_logs/step.out" in kept


@pytest.mark.parametrize(
    ("job", "release", "account"),
    [
        ("backend_ci", MERGE, "build"),
        ("backend_ci", PROPOSED, "pull-request"),
        ("backend_staging", MERGE, "deploy-staging"),
        ("backend_production", MERGE, "deploy-production"),
        ("frontend_rollback", None, "deploy-production"),
        ("__ASSET_JOB", MERGE, "pull-request"),
    ],
)
def test_a_run_is_a_job_with_the_account_of_its_kind(home: Home, job: str, release: str | None, account: str) -> None:
    spec = home.launched(home.run(job, release))["spec"]
    pod = spec["template"]["spec"]
    assert pod["serviceAccountName"] == account
    # For pods of steps, in their own namespace.
    assert pod["automountServiceAccountToken"] is (account == "pull-request")
    # By this label network policies know it.
    assert (spec["template"]["metadata"]["labels"]["shopkart/run-kind"] == "pull-requests") == (
        account == "pull-request"
    )
    assert spec["backoffLimit"] == 0
    assert spec["activeDeadlineSeconds"] > 0
    [container] = pod["containers"]
    assert container["image"] == IMAGE
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["limits"]["memory"]
    assert container["args"][:3] == ["dagster", "api", "execute_run"]


def test_a_tag_gives_a_run_no_rights(home: Home) -> None:
    wish = {
        "pod_spec_config": {"service_account_name": "deploy-production", "automount_service_account_token": True},
        "container_config": {
            "image": "attacker.example/image",
            "env_from": [{"secret_ref": {"name": "shopkart-secrets"}}],
        },
        "job_spec_config": {"active_deadline_seconds": 864000},
    }
    job = home.launched(home.run("backend_ci", PROPOSED, **{"dagster-k8s/config": json.dumps(wish)}))
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "pull-request"
    told = {each["name"]: each for each in pod["containers"][0]["env"]}
    assert told["SHOPKART_STEP_PODS"]["value"] == "proposed"
    assert told["SHOPKART_POD_ADDRESS"]["valueFrom"]["fieldRef"]["fieldPath"] == "status.podIP"
    assert pod["containers"][0]["image"] == IMAGE
    assert {"secretRef": {"name": "shopkart-secrets"}} not in pod["containers"][0]["envFrom"]
    assert job["spec"]["activeDeadlineSeconds"] == 3600


def test_a_pull_request_keeps_no_outputs_where_it_has_no_right_to_and_tells_no_secret(
    home: Home, postgres: Postgres
) -> None:
    proposed, merged = (json.dumps(home.launched(home.run("backend_ci", key))) for key in (PROPOSED, MERGE))
    assert "NoOpComputeLogManager" in proposed
    assert "S3ComputeLogManager" not in proposed
    assert "NoOpComputeLogManager" in json.dumps(home.launched(home.run("rescan")))
    assert "S3ComputeLogManager" in merged
    assert postgres.password not in proposed + merged


@pytest.mark.parametrize("account", ["daemon", "webserver"])
def test_a_run_that_is_cancelled_loses_its_job_and_its_pod(home: Home, account: str) -> None:
    run = home.run("frontend_ci", MERGE)
    name = home.launched(run)["metadata"]["name"]
    launcher = home.instance.run_launcher
    # Whatever is not running or done is taken for dead, and its run fails.
    assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
    until = time.monotonic() + 5
    while not home.pods(name) and time.monotonic() < until:
        time.sleep(0.01)
    assert home.pods(name)
    home.become(account)
    assert launcher.terminate(run.run_id)
    home.become("daemon")
    assert not [job for job in home.world.list(JOB, NAMESPACE) if job["metadata"]["name"] == name]
    assert all("deletionTimestamp" in pod["metadata"] for pod in home.pods(name))
    ending = home.instance.get_run_by_id(run.run_id)
    assert ending is not None
    assert ending.status is DagsterRunStatus.CANCELING


def test_only_a_job_that_is_gone_is_a_dead_run(home: Home) -> None:
    run, launcher = home.run("frontend_staging", MERGE), home.instance.run_launcher
    assert launcher.check_run_worker_health(run).status is WorkerStatus.UNKNOWN
    home.launched(run)
    home.become("server")
    unseen = launcher.check_run_worker_health(run)
    home.become("daemon")
    # Dagster would end the run, whose pod would go on, and begin the next one of its queue.
    assert unseen.status is WorkerStatus.RUNNING
    assert "forbidden" in str(unseen.msg)


def test_a_rollback_takes_no_place_in_the_queue_and_everything_else_does(home: Home) -> None:
    limits = home.instance.get_concurrency_config().run_queue_config
    assert limits is not None
    assert limits.max_concurrent_runs == -1
    assert {each["key"]: each["limit"] for each in limits.tag_concurrency_limits} == {
        COUNTED_TAG: 6,
        GROUP_TAG: 3,
        "shopkart/queue": 1,
    }
    changes = {SERVICE_TAG: "backend", ENVIRONMENT_TAG: "production"}
    merge = home.run("backend_production", MERGE, **changes)
    rollback = home.run("backend_rollback", **changes, **{GROUP_TAG: NO_LIMIT})
    for run in (merge, rollback):
        home.instance.run_coordinator.submit_run(SubmitRunContext(run, workspace=None))  # pyright: ignore[reportArgumentType]
    found = {run.run_id: run for run in home.instance.get_runs() if run.status is DagsterRunStatus.QUEUED}
    counted = {key: value for key, value in found[merge.run_id].tags.items() if key.startswith(COUNTED_TAG)}
    assert counted == {
        COUNTED_TAG: "yes",
        f"{COUNTED_TAG}_service": "backend",
        f"{COUNTED_TAG}_environment": "production",
    }
    assert not [key for key in found[rollback.run_id].tags if key.startswith(COUNTED_TAG)]

    assert home.instance.run_launcher.terminate(merge.run_id)
    ended = home.instance.get_run_by_id(merge.run_id)
    assert ended is not None
    assert ended.status is DagsterRunStatus.CANCELED


def test_a_configuration_without_a_kind_is_refused(home: Home) -> None:
    configured = yaml.safe_load((home.folder / "dagster.yaml").read_text())
    del configured["run_launcher"]["config"]["kinds"]["pull_requests"]
    other = home.folder / "other"
    other.mkdir()
    (other / "dagster.yaml").write_text(yaml.safe_dump(configured))
    with DagsterInstance.from_config(str(other)) as instance, pytest.raises(PipelineError, match="pull_requests"):
        _ = instance.run_launcher
