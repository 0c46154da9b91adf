"""Jobs on Kubernetes beyond the contract: what they are made of, what they leave alone, and what hinders them."""

import json
from collections.abc import Generator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import yaml

from shopkart_pipeline.adapters.kubernetes.job import job_manifest, job_surroundings, render_jobs
from shopkart_pipeline.adapters.kubernetes.manifests import render
from shopkart_pipeline.adapters.kubernetes.network import services
from shopkart_pipeline.domain.job import JobPhase, JobSpec, JobStatus
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline_tests.contract.cluster_worlds import a_service, a_spec, is_complete
from shopkart_pipeline_tests.contract.kubernetes_worlds import EmulatedWorld, an_emulated_world
from shopkart_pipeline_tests.fakes.kubernetes_server import Behaviour, Drop, Trouble
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import CONFIG_MAP, JOB, NETWORK_POLICY, POD, Resource
from shopkart_pipeline_tests.fakes.kubernetes_server.subresources import evict
from shopkart_pipeline_tests.rendered_manifests import EVERYTHING, PLACE, PLAIN
from shopkart_pipeline_tests.unit.adapters.kubernetes.test_own_manifests import DEPLOYMENT

PRODUCTION = "production"
MIGRATE = ("python", "-m", "migrate")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[EmulatedWorld]:
    with an_emulated_world(tmp_path_factory.mktemp("kubernetes")) as emulated:
        emulated.cluster.observe(PRODUCTION, "nobody")  # The first question takes the client's import.
        yield emulated


@pytest.fixture
def service() -> str:
    return a_service()


def a_job(world: EmulatedWorld, service: str, *, seconds: float = 600.0, **behaviour: Any) -> JobSpec:
    spec = a_spec(world.publish(service, "v1"), GREETING="good day")
    word = f"migrate-{uuid4().hex[:10]}"
    world.world.behave(Behaviour(**behaviour), command=word)
    return JobSpec(f"expand-{word[-10:]}", spec, (word,), seconds)


def of_service(world: EmulatedWorld, resource: Resource, service: str) -> list[Document]:
    return [each for each in world.world.list(resource, PRODUCTION) if each["metadata"]["name"].startswith(service)]


def until(world: EmulatedWorld, service: str, job: JobSpec, words: str) -> JobStatus:
    """Ask until it says that."""
    for _ in range(200):
        status = world.cluster.run_job(PRODUCTION, service, job)
        if words in status.reason:
            return status
        world.pause()
    raise AssertionError(f"it never said {words}")


@pytest.mark.parametrize("spec", [PLAIN, EVERYTHING])
def test_a_job_has_image_variables_secrets_and_rights_of_a_replica_and_serves_nobody(spec: Any) -> None:
    job = job_manifest(PLACE, JobSpec("expand-0123456789", spec, MIGRATE, 90.5))
    replica = next(each for each in render(PLACE, spec) if each["kind"] == "Deployment")["spec"]["template"]["spec"]
    pod = job["spec"]["template"]["spec"]
    [container], [serving] = pod["containers"], replica["containers"]
    assert container["command"] == list(MIGRATE)
    of_serving = {"startupProbe", "readinessProbe", "livenessProbe", "lifecycle", "ports", "envFrom"}
    assert set(serving) - set(container) == of_serving
    same = set(container) - {"command", "env"}
    assert {key: container[key] for key in same} == {key: serving[key] for key in same}
    assert container["env"][: len(serving["env"])] == serving["env"]
    assert {key: pod[key] for key in pod if key not in ("containers", "restartPolicy")} == {
        key: replica[key] for key in replica if key not in ("containers", "topologySpreadConstraints")
    }
    assert (pod["restartPolicy"], job["spec"]["backoffLimit"], job["spec"]["activeDeadlineSeconds"]) == ("Never", 0, 91)


def test_plain_variables_mean_the_same_as_in_a_replica() -> None:
    spec = replace(PLAIN, variables={"PRICE": "$(HOME) $$5", "PORT": "1", "URL": "{url:frontend}/"})
    job = job_manifest(PLACE, JobSpec("expand-0123456789", spec, MIGRATE, 60.0))
    env = {each["name"]: each.get("value") for each in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert (env["PRICE"], env["PORT"], env["URL"]) == ("$$(HOME) $$$$5", "8080", "http://frontend/")


@pytest.mark.parametrize("weight_percent", [0, 10, 100])
def test_no_service_budget_or_policy_of_the_replicas_fits_a_job(weight_percent: int) -> None:
    job = job_manifest(PLACE, JobSpec("expand-0123456789", PLAIN, MIGRATE, 60.0))
    labels = job["spec"]["template"]["metadata"]["labels"]
    found = [*render(PLACE, PLAIN), *services(PLACE, PLAIN, weight_percent)]
    selectors = [selector_of(each) for each in found]
    assert sum(map(bool, selectors)) >= 4
    assert not [each for each in selectors if each and each.items() <= labels.items()]
    [policy] = [each for each in job_surroundings(PLACE, PLAIN) if each["kind"] == "NetworkPolicy"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert "ingress" not in policy["spec"]


def selector_of(manifest: Any) -> dict[str, str]:
    spec = manifest.get("spec", {})
    found: dict[str, Any] = spec.get("podSelector") or spec.get("selector") or {}
    return found.get("matchLabels", found)


def test_a_team_s_own_pod_runs_the_command_without_its_side_cars() -> None:
    own = yaml.safe_load(DEPLOYMENT)
    own["spec"]["template"]["spec"]["containers"] += [{"name": "proxy", "image": "proxy:1"}]
    own["spec"]["template"]["spec"]["containers"][0]["name"] = "backend"
    own["spec"]["template"]["spec"]["serviceAccountName"] = "shop"
    spec = replace(PLAIN, own_manifests=json.dumps([own]))
    pod = job_manifest(PLACE, JobSpec("expand-1", spec, MIGRATE, 60.0))["spec"]["template"]["spec"]
    assert pod["containers"] == [{"name": "backend", "image": PLACE.image, "command": list(MIGRATE)}]
    assert (pod["serviceAccountName"], pod["restartPolicy"]) == ("shop", "Never")
    assert job_surroundings(PLACE, spec) == ()


def test_nothing_is_rendered_where_nothing_is_migrated() -> None:
    assert render_jobs(PLACE, []) == ()


def test_a_job_finds_what_it_needs_before_the_first_deployment(world: EmulatedWorld, service: str) -> None:
    job = a_job(world, service, exit_code=0, log="made a table\n")
    last = world.finished(PRODUCTION, service, job)[-1]
    assert last == JobStatus(JobPhase.SUCCEEDED, "", ("made a table",))
    assert [len(of_service(world, kind, service)) for kind in (CONFIG_MAP, NETWORK_POLICY)] == [0, 1]


def test_what_replicas_refer_to_stays_as_it_is(world: EmulatedWorld, service: str) -> None:
    job = a_job(world, service, exit_code=0)
    world.cluster.apply(PRODUCTION, service, Track.STABLE, job.workload)
    world.until(PRODUCTION, service, lambda status: is_complete(status.stable))
    before = of_service(world, CONFIG_MAP, service)
    world.finished(PRODUCTION, service, job)
    assert of_service(world, CONFIG_MAP, service) == before


def test_what_hinders_a_job_is_told_while_it_waits_and_its_time_ends_it(world: EmulatedWorld, service: str) -> None:
    job = a_job(world, service, seconds=30.0, pull_error="not found")
    status = until(world, service, job, "image can't be pulled")
    assert status.phase is JobPhase.RUNNING
    last = world.finished(PRODUCTION, service, job)[-1]
    assert (last.phase, last.reason) == (JobPhase.FAILED, "it did not end within 30 s")


def test_a_job_whose_pod_was_refused_says_that_none_is_there(world: EmulatedWorld, service: str) -> None:
    world.world.admission.append(lambda _, resource, __: "no" if resource is POD else None)
    job = a_job(world, service, exit_code=0)
    until(world, service, job, "no pod of it is there")
    world.world.admission.clear()
    assert world.finished(PRODUCTION, service, job)[-1].phase is JobPhase.SUCCEEDED


def test_a_pod_that_has_to_leave_its_node_is_replaced(world: EmulatedWorld, service: str) -> None:
    job = a_job(world, service, stop_seconds=None)
    world.cluster.run_job(PRODUCTION, service, job)
    until_running(world, service)
    [pod] = of_service(world, POD, service)
    with world.world.lock:
        options = {"deleteOptions": {"gracePeriodSeconds": 0}}
        evict(world.world, PRODUCTION, pod["metadata"]["name"], options)
    world.world.behave(Behaviour(exit_code=0), command=job.command[0])
    assert world.finished(PRODUCTION, service, job)[-1].phase is JobPhase.SUCCEEDED
    assert pod["metadata"]["name"] not in {each["metadata"]["name"] for each in running(world, service)}


def running(world: EmulatedWorld, service: str) -> list[Document]:
    return [pod for pod in of_service(world, POD, service) if pod["status"]["phase"] == "Running"]


def until_running(world: EmulatedWorld, service: str) -> None:
    for _ in range(200):
        if running(world, service):
            return
        world.pause()
    raise AssertionError("no pod of it ever ran")


def test_an_answer_that_gets_lost_begins_no_second_job(world: EmulatedWorld, service: str) -> None:
    job = a_job(world, service, exit_code=0)
    world.world.troubles.coming.append(Trouble("POST", "/jobs", drop=Drop.AFTER))
    assert world.finished(PRODUCTION, service, job)[-1].phase is JobPhase.SUCCEEDED
    assert len(of_service(world, JOB, service)) == 1


def test_a_job_is_kept_for_a_day_and_then_run_again(world: EmulatedWorld, service: str) -> None:
    job = a_job(world, service, exit_code=0)
    world.finished(PRODUCTION, service, job)
    [kept] = of_service(world, JOB, service)
    assert kept["spec"]["ttlSecondsAfterFinished"] == 86_400
