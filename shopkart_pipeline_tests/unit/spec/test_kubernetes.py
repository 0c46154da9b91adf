"""What a declaration says for Kubernetes: pods, scale, routes, own manifests, and the stage that checks them."""

from pathlib import Path

import pytest

from shopkart_pipeline.domain.pod import Autoscale, PodRequirements, Resources, Route, RouteKind, SecretReference
from shopkart_pipeline_tests.unit.spec.declarations import (
    SMALLEST,
    one_fault_of,
    pipeline_of,
    service_fault_of,
    service_of,
)


def _declared(workload: str, more: str = "") -> str:
    """The smallest declaration with more said about its workload."""
    return SMALLEST.replace("{command: [python, -m, catalog]}", f"{{command: [catalog], {workload}}}") + more


def test_what_is_shipped_is_what_the_domain_takes_for_granted(tmp_path: Path) -> None:
    service = service_of(tmp_path)
    assert service.workload.pod == PodRequirements()
    assert service.workload.manifests is None
    assert all((each.autoscale, each.route) == (None, Route()) for each in service.deployments.values())


def test_everything_that_pods_need_can_be_said(tmp_path: Path) -> None:
    text = _declared(
        "port: 9000, resources: {cpu: 250m, memory: 1Gi, memory_limit: 2Gi}, pre_stop: 15s, minimum_ready: 20s, "
        "secrets: {PASSWORD: {name: payment, key: password}, "
        "TOKEN: {external: {store: vault, key: a/b, version: v7}}}, "
        'iam_role: "arn:aws:iam::123456789012:role/catalog", '
        'egress: ["10.0.0.0/16:5432", api.example, "a.example:8443"]'
    )
    pod = pipeline_of(tmp_path, text).services["catalog"].workload.pod
    assert pod == PodRequirements(
        port=9000,
        resources=Resources("250m", "1Gi", "2Gi"),
        secrets={
            "PASSWORD": SecretReference("payment", "password"),
            "TOKEN": SecretReference("", "a/b", "vault", "v7"),
        },
        pre_stop_seconds=15,
        minimum_ready_seconds=20,
        iam_role="arn:aws:iam::123456789012:role/catalog",
        egress=("10.0.0.0/16:5432", "api.example", "a.example:8443"),
    )


@pytest.mark.parametrize(
    ("workload", "path", "message"),
    [
        ("resources: {memory: 1Gi}", "resources.memory", "a replica may not use 256Mi if it is to get 1Gi"),
        ("resources: {cpu: 0.5}", "resources.cpu", 'write "0.5" in quotes'),
        ("secrets: {A: {name: x}}", "secrets.A", "say where the value is"),
        ("secrets: {A: {name: x, key: y, external: {store: s, key: k}}}", "secrets.A", "not both"),
        ("secrets: {A: {name: x, key: y}}, variables: {A: b}", "secrets.A", "in `variables` too"),
        ('egress: ["10.0.0.1/8"]', "egress[0]", "10.0.0.1/8 is not a network"),
        ('egress: ["api.example:70000"]', "egress[0]", "70000 is no port"),
        ("iam_role: catalog", "iam_role", "an AWS role's ARN"),
        ('manifests: "deploy/{environmnt}"', "manifests", "did you mean environment?"),
        ("pre_stop: 0s", "pre_stop", "longer than zero"),
    ],
)
def test_faults_of_pods_say_what_to_write(tmp_path: Path, workload: str, path: str, message: str) -> None:
    fault = one_fault_of(tmp_path, _declared(workload))
    assert fault.path == f"services.catalog.workload.{path}"
    assert message in fault.message


def test_a_secret_can_have_no_value_in_the_declaration(tmp_path: Path) -> None:
    fault = one_fault_of(tmp_path, _declared("secrets: {A: {value: hunter2}}"))
    assert "unknown key" in fault.message


def test_scale_and_route_are_said_for_each_environment(tmp_path: Path) -> None:
    text = _declared("pre_stop: 15s").replace(
        "production: {",
        "staging: {autoscale: {minimum: 3, maximum: 9, requests_per_replica: 40},"
        " route: {kind: alb, host: shop.example}}\n"
        "      production: {replicas: 4, route: {kind: gateway, gateway: edge/shop}, ",
    )
    staging, production = pipeline_of(tmp_path, text).services["catalog"].deployments.values()
    assert (staging.replicas, staging.autoscale) == (3, Autoscale(3, 9, 70, 40))
    assert staging.route == Route(RouteKind.ALB, host="shop.example")
    assert (production.replicas, production.autoscale) == (4, None)
    assert production.route == Route(RouteKind.GATEWAY, gateway="edge/shop")


@pytest.mark.parametrize(
    ("production", "path", "message"),
    [
        ("route: {kind: gateway}", "route.gateway", "say which Gateway it is"),
        ("route: {gateway: shop}", "route.gateway", "only a route of kind `gateway` has one"),
        ("route: {host: shop.example}", "route.host", "a route of kind `none` has no host"),
        ("route: {kind: alb}", "route.kind", "say `workload: {pre_stop: 15s}`"),
        ("route: {kind: nginx}", "route.kind", '"nginx" is not possible here'),
        ("autoscale: {minimum: 4, maximum: 2}", "autoscale.maximum", "at most 2 is less than at least 4"),
        ("autoscale: {minimum: 1, maximum: 2}", "autoscale.minimum", "must be at least 2"),
        ("replicas: 9, autoscale: {minimum: 2, maximum: 4}", "replicas", "9 is outside of what `autoscale` allows"),
    ],
)
def test_faults_of_scale_and_route_say_what_to_write(tmp_path: Path, production: str, path: str, message: str) -> None:
    text = SMALLEST.replace("production: {", f"production: {{{production}, ")
    fault = one_fault_of(tmp_path, text)
    assert fault.path == f"services.catalog.environments.production.{path}"
    assert message in fault.message


def test_the_stage_that_checks_manifests_is_there_where_kubernetes_is_told_something(tmp_path: Path) -> None:
    kubernetes = "environments: {staging: {platform: local}, production: {platform: kubernetes}}\n"
    own = _declared("manifests: deploy")
    asked = SMALLEST + "    stages: {manifests: {timeout: 1m}}\n"
    for text in (SMALLEST + kubernetes, own, asked):
        service = pipeline_of(tmp_path, text).services["catalog"]
        assert "manifests" in service.stage("image").needs
        assert {gate.name for gate in service.gates if gate.stage == "manifests"} == {"violations", "workloads"}
    service = service_of(tmp_path)
    assert all(stage.name != "manifests" for stage in service.stages)
    assert all(gate.stage != "manifests" for gate in service.gates)


def test_leaving_the_check_of_manifests_out_needs_a_reason(tmp_path: Path) -> None:
    service = pipeline_of(
        tmp_path, _declared("manifests: deploy", "    stages: {manifests: {disabled: checked by the platform team}}\n")
    ).services["catalog"]
    assert ("manifests", "checked by the platform team") in [(left.stage, left.reason) for left in service.left_out]
    assert service_fault_of(tmp_path, "    stages: {manifests: {disabled: ''}}\n").path == "stages.manifests.disabled"
