"""Rendered manifests: as they were written down, and the laws that hold for every workload."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.adapters.kubernetes.manifests import render, surroundings, to_yaml, track_objects
from shopkart_pipeline.adapters.kubernetes.names import Manifest, Place, Surroundings, place_of
from shopkart_pipeline.adapters.kubernetes.workload import autoscaler, deployment
from shopkart_pipeline.domain.declaration import Environment, Phase
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.pod import Autoscale, PodRequirements, Route, RouteKind, SecretReference
from shopkart_pipeline.domain.workload import Track, WorkloadSpec
from shopkart_pipeline_tests.rendered_manifests import DIGEST, EVERYTHING, GATEWAY, PLACE, PLAIN, WORKLOADS

GOLDEN = Path(__file__).resolve().parents[3] / "samples" / "manifests"
LONGEST_NAME = "s" + "-abcdefgh" * 4 + "xyz"


def of_kind(kind: str, manifests: Iterable[Manifest]) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def one(kind: str, manifests: Iterable[Manifest]) -> Any:
    [manifest] = of_kind(kind, manifests)
    return manifest


def container_of(manifest: Manifest) -> Any:
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    return container


@pytest.mark.parametrize("name", WORKLOADS)
def test_what_is_rendered_is_what_was_written_down(name: str) -> None:
    text = to_yaml(render(PLACE, WORKLOADS[name]))
    assert text == (GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")


def test_the_yaml_says_what_the_objects_say() -> None:
    manifests = render(PLACE, replace(PLAIN, commit="1e1000", variables={"A": "no", "B": "0x1", "C": "a: b\n# c"}))
    assert tuple(yaml.safe_load_all(to_yaml(manifests))) == manifests


def test_an_image_without_a_digest_is_refused() -> None:
    for image in ("backend:latest", "backend", "backend@sha256:12", f"backend:1 @{DIGEST}"):
        with pytest.raises(Refused, match="does not name an image by its digest"):
            render(replace(PLACE, image=image), PLAIN)


def test_no_value_of_a_secret_is_rendered_and_every_reference_is() -> None:
    manifests = render(PLACE, EVERYTHING)
    environment = {each["name"]: each for each in container_of(one("Deployment", manifests))["env"]}
    external = one("ExternalSecret", manifests)
    assert environment["PAYMENT_PASSWORD"]["valueFrom"] == {"secretKeyRef": {"name": "payment-1f2e", "key": "password"}}
    assert environment["API_TOKEN"]["valueFrom"]["secretKeyRef"]["name"] == external["spec"]["target"]["name"]
    assert external["spec"]["data"] == [{"secretKey": "API_TOKEN", "remoteRef": {"key": "shop/token", "version": "7"}}]
    assert environment["REDIS_URL"]["valueFrom"]["secretKeyRef"] == {"name": "datastores", "key": "redis_url"}
    assert "REDIS_URL" not in one("ConfigMap", manifests)["data"]


def test_the_address_of_a_datastore_inside_other_text_is_refused_rather_than_shown() -> None:
    spec = replace(PLAIN, variables={"CELERY": "{redis_url}/2"})
    with pytest.raises(Refused, match=r"more in it than \{redis_url\}"):
        render(PLACE, spec)
    said = replace(PLACE, addresses={"redis_url": "redis://cache"})
    assert one("ConfigMap", render(said, spec))["data"] == {"CELERY": "redis://cache/2"}


def test_secrets_of_two_stores_are_refused() -> None:
    secrets = {"A": SecretReference("", "a", "vault"), "B": SecretReference("", "b", "aws")}
    with pytest.raises(Refused, match="2 stores: aws, vault"):
        render(PLACE, replace(PLAIN, pod=PodRequirements(secrets=secrets)))


def test_without_variables_there_is_no_configuration() -> None:
    manifests = render(PLACE, replace(PLAIN, variables={}))
    assert of_kind("ConfigMap", manifests) == []
    assert "envFrom" not in container_of(one("Deployment", manifests))


def test_an_autoscaler_and_the_pipeline_never_own_the_same_number() -> None:
    stable, canary = (deployment(PLACE, track, EVERYTHING) for track in Track)
    assert "replicas" not in stable["spec"]
    assert canary["spec"]["replicas"] == EVERYTHING.replicas
    assert deployment(PLACE, Track.STABLE, PLAIN)["spec"]["replicas"] == PLAIN.replicas
    scaler = autoscaler(PLACE, EVERYTHING)
    assert scaler is not None
    assert scaler["spec"]["scaleTargetRef"]["name"] == stable["metadata"]["name"]
    assert autoscaler(PLACE, PLAIN) is None


@pytest.mark.parametrize(("said", "quantity"), [(50.0, "50"), (0.25, "250m"), (1000 / 3, "333334m")])
def test_an_autoscaler_goes_by_requests_beside_the_processor(said: float, quantity: str) -> None:
    assert EVERYTHING.autoscale is not None
    asked = replace(EVERYTHING, autoscale=replace(EVERYTHING.autoscale, requests_per_replica=said))
    scaler, usual = autoscaler(PLACE, asked), autoscaler(PLACE, EVERYTHING)
    assert scaler is not None
    assert usual is not None
    target = {"type": "AverageValue", "averageValue": quantity}
    pods = {"type": "Pods", "pods": {"metric": {"name": "shopkart_requests_per_second"}, "target": target}}
    assert scaler["spec"]["metrics"] == [*usual["spec"]["metrics"], pods]


def test_while_a_canary_has_traffic_the_autoscaler_only_scales_up() -> None:
    scaler = autoscaler(PLACE, EVERYTHING, only_up=True)
    assert scaler is not None
    assert scaler["spec"]["behavior"] == {"scaleDown": {"selectPolicy": "Disabled"}}


@pytest.mark.parametrize("weight", [0, 10, 100])
def test_a_route_with_weights_names_both_services_and_changes_weights_alone(weight: int) -> None:
    manifests = surroundings(PLACE, GATEWAY, weight)
    [rule] = one("HTTPRoute", manifests)["spec"]["rules"]
    assert {each["name"]: each["weight"] for each in rule["backendRefs"]} == {
        "backend": 100 - weight,
        "backend-canary": weight,
    }
    assert of_kind("Service", manifests) == of_kind("Service", surroundings(PLACE, GATEWAY))
    selectors = {each["metadata"]["name"]: each["spec"]["selector"] for each in of_kind("Service", manifests)}
    assert {name: each["shopkart/track"] for name, each in selectors.items()} == {
        "backend": "stable",
        "backend-canary": "canary",
    }


def test_without_a_route_the_service_leads_to_the_canary_only_once_it_has_a_weight() -> None:
    before, after = (one("Service", surroundings(PLACE, PLAIN, weight)) for weight in (0, 10))
    assert before["spec"]["selector"] == after["spec"]["selector"] | {"shopkart/track": "stable"}
    assert "shopkart/track" not in after["spec"]["selector"]


def test_an_alb_stops_sending_before_the_pod_stops_serving() -> None:
    manifests = render(PLACE, EVERYTHING)
    annotations = one("Ingress", manifests)["metadata"]["annotations"]
    said = annotations["alb.ingress.kubernetes.io/target-group-attributes"]
    delay_seconds = int(said.removeprefix("deregistration_delay.timeout_seconds="))
    sleep_seconds = container_of(one("Deployment", manifests))["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert delay_seconds < sleep_seconds
    assert annotations["alb.ingress.kubernetes.io/target-type"] == "ip"


def test_where_nothing_is_said_about_egress_only_the_metadata_service_is_out_of_reach() -> None:
    _, anywhere = one("NetworkPolicy", render(PLACE, PLAIN))["spec"]["egress"]
    assert anywhere["to"] == [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}}]


def test_declared_egress_opens_nothing_private_but_what_it_names() -> None:
    rules = one("NetworkPolicy", render(PLACE, EVERYTHING))["spec"]["egress"]
    blocks = [(peer["ipBlock"], rule.get("ports")) for rule in rules for peer in rule["to"] if "ipBlock" in peer]
    network, host = blocks
    assert network == ({"cidr": "10.0.0.0/16"}, [{"port": 5432, "protocol": "TCP"}])
    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(host[0]["except"])
    assert host[1] == [{"port": 443, "protocol": "TCP"}]


_SECONDS = st.floats(min_value=0, max_value=3600)
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_VARIABLES = st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True), st.text(max_size=8), max_size=4)


@st.composite
def workloads(draw: st.DrawFn) -> WorkloadSpec:
    minimum = draw(st.integers(2, 9))
    return replace(
        PLAIN,
        replicas=draw(st.integers(1, 100)),
        variables=draw(_VARIABLES),
        drain_seconds=draw(_SECONDS),
        probes=replace(PLAIN.probes, startup_deadline_seconds=draw(_SECONDS)),
        pod=PodRequirements(pre_stop_seconds=draw(_SECONDS), minimum_ready_seconds=draw(_SECONDS)),
        autoscale=draw(st.sampled_from([None, Autoscale(minimum, minimum + 3, 70, minimum / 3)])),
        route=draw(st.sampled_from([Route(), Route(RouteKind.GATEWAY, "edge/shop"), Route(RouteKind.ALB)])),
    )


@given(spec=workloads(), track=st.sampled_from(list(Track)))
def test_a_pod_is_never_killed_before_it_has_stopped_serving_and_drained(spec: WorkloadSpec, track: Track) -> None:
    manifest = deployment(PLACE, track, spec)
    sleep_seconds = container_of(manifest)["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace_seconds = manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert sleep_seconds >= spec.pod.pre_stop_seconds
    assert grace_seconds > sleep_seconds + spec.drain_seconds
    assert manifest["spec"]["progressDeadlineSeconds"] > manifest["spec"]["minReadySeconds"]
    startup = container_of(manifest)["startupProbe"]
    started_seconds = startup["periodSeconds"] * startup["failureThreshold"]
    assert started_seconds >= spec.probes.startup_deadline_seconds


@given(spec=workloads(), service=st.sampled_from(["a", LONGEST_NAME]))
def test_names_and_labels_fit_and_references_lead_somewhere(spec: WorkloadSpec, service: str) -> None:
    place = replace(PLACE, service=service)
    manifests = [*render(place, spec), *track_objects(place, Track.CANARY, spec)]
    for manifest in manifests:
        assert len(manifest["metadata"]["name"]) <= 63
        assert all(_LABEL.fullmatch(value) for value in manifest["metadata"]["labels"].values())
    names = {each["metadata"]["name"] for each in of_kind("ConfigMap", manifests)}
    for each in of_kind("Deployment", manifests):
        assert {one["configMapRef"]["name"] for one in container_of(each).get("envFrom", [])} <= names
        labels = each["spec"]["template"]["metadata"]["labels"]
        assert each["spec"]["selector"]["matchLabels"].items() <= labels.items()


@given(first=_VARIABLES, second=_VARIABLES)
def test_the_name_of_a_configuration_changes_with_its_content_and_with_nothing_else(
    first: dict[str, str], second: dict[str, str]
) -> None:
    def name_of(place: Place, spec: WorkloadSpec) -> str | None:
        found = of_kind("ConfigMap", render(place, spec))
        return found[0]["metadata"]["name"] if found else None

    one_release = replace(PLAIN, variables=first)
    other_release = replace(one_release, digest=f"sha256:{'b' * 64}", release_key="later", replicas=9)
    assert name_of(PLACE, one_release) == name_of(PLACE, other_release)
    assert name_of(PLACE, one_release) == name_of(PLACE, replace(PLAIN, variables=dict(reversed(first.items()))))
    same = name_of(PLACE, one_release) == name_of(PLACE, replace(PLAIN, variables=second))
    assert same is (first == second)


@settings(max_examples=20)
@given(spec=workloads())
def test_rendering_twice_gives_the_same_bytes_and_changes_nothing_that_it_was_given(spec: WorkloadSpec) -> None:
    before = repr(spec)
    assert to_yaml(render(PLACE, spec)) == to_yaml(render(PLACE, spec))
    assert repr(spec) == before


def test_an_environments_options_say_where_its_services_are() -> None:
    options = {"namespace": "shop-{environment}", "images": "mirror.example/shop/", "redis_url": "redis://cache"}
    place = place_of(Environment("staging", Phase.STAGING, "kubernetes", options), "backend", f"backend@{DIGEST}")
    assert place == Place(
        "shop-staging", "staging", "backend", f"mirror.example/shop/backend@{DIGEST}", {"redis_url": "redis://cache"}
    )
    beside = Surroundings.of(options).place("staging", "backend-running", f"backend@{DIGEST}", "backend")
    assert beside.image == f"mirror.example/shop/backend@{DIGEST}"
    plain = place_of(Environment("staging", Phase.STAGING, "kubernetes"), "backend", f"backend@{DIGEST}")
    assert plain == Place("staging", "staging", "backend", f"backend@{DIGEST}")
