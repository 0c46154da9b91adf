"""A team's own manifests on their way to a cluster: what the pipeline sets, what stays, and what it refuses."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.kubernetes.manifests import render, surroundings, track_objects
from shopkart_pipeline.adapters.kubernetes.names import Manifest, image_name
from shopkart_pipeline.adapters.kubernetes.own_manifests import RepositoryManifests
from shopkart_pipeline.adapters.kubernetes.workload import autoscaler
from shopkart_pipeline.domain.analysis import Analysis
from shopkart_pipeline.domain.declaration import Deployment, Environment, Phase, Service
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.pod import Autoscale, OwnManifests, Route, RouteKind
from shopkart_pipeline.domain.workload import Track, WorkloadSpec
from shopkart_pipeline_tests.rendered_manifests import PLACE, PLAIN
from shopkart_pipeline_tests.scan_requests import a_service, write_files

PRODUCTION = Environment("production", Phase.PRODUCTION, "kubernetes", {"namespace": "shop"})
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: backend, annotations: {team: shop}}
spec:
  replicas: 3
  selector: {matchLabels: {app: backend}}
  template:
    metadata: {labels: {app: backend}}
    spec:
      containers:
        - {name: web, image: "backend:latest", ports: [{name: http, containerPort: 80}]}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: backend, annotations: {team: shop}}
spec: {selector: {app: backend}, ports: [{port: 8000, targetPort: 80}]}
"""
AUTOSCALER = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: load}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: backend}
  minReplicas: 2
  maxReplicas: 6
"""
POLICY = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shut}
spec: {podSelector: {}}
"""
FILES = {"web.yaml": DEPLOYMENT, "service.yaml": SERVICE, "policy.yaml": POLICY}


def the_service(route: Route | None = None) -> Service:
    deployment = Deployment("production", 2, (), 60.0, Analysis(), (), None, route=route or Route())
    service = a_service("backend")
    workload = replace(service.workload, manifests="deploy/{environment}")
    return replace(service, workload=workload, deployments={"production": deployment})


def read(folder: Path, files: Mapping[str, str], service: Service | None = None) -> OwnManifests:
    write_files(folder / "backend" / "deploy" / "production", dict(files))
    found = RepositoryManifests().read(folder, service or the_service(), PRODUCTION)
    assert found is not None
    return found


def the_spec(folder: Path, files: Mapping[str, str]) -> WorkloadSpec:
    own = read(folder, files)
    return replace(PLAIN, replicas=own.replicas, autoscale=own.autoscale, own_manifests=own.document)


def named(manifests: tuple[Manifest, ...]) -> dict[tuple[str, str], Manifest]:
    return {(each["kind"], each["metadata"]["name"]): each for each in manifests}


def test_a_service_without_manifests_of_its_own_brings_none(tmp_path: Path) -> None:
    service = a_service("backend")
    assert RepositoryManifests().read(tmp_path, service, PRODUCTION) is None


def test_stable_is_everything_with_the_image_and_the_labels_of_the_pipeline(tmp_path: Path) -> None:
    made = named(track_objects(PLACE, Track.STABLE, the_spec(tmp_path, FILES)))
    assert set(made) == {("Deployment", "backend"), ("NetworkPolicy", "shut")}
    deployment = made["Deployment", "backend"]
    template = deployment["spec"]["template"]
    assert template["spec"]["containers"] == [
        {"name": "web", "image": PLACE.image, "ports": [{"name": "http", "containerPort": 80}]}
    ]
    assert template["metadata"]["labels"] == {
        "app": "backend",
        "app.kubernetes.io/name": "backend",
        "app.kubernetes.io/instance": "production",
        "app.kubernetes.io/version": PLAIN.release_key,
        "shopkart/track": "stable",
    }
    assert deployment["metadata"]["annotations"]["team"] == "shop"
    assert deployment["spec"]["selector"] == {"matchLabels": {"app": "backend"}}
    assert deployment["spec"]["replicas"] == 3
    assert {each["metadata"]["namespace"] for each in made.values()} == {"shop"}


def test_the_canary_is_a_copy_of_the_deployment_that_stable_never_takes_for_its_own(tmp_path: Path) -> None:
    spec = replace(the_spec(tmp_path, FILES), replicas=1)
    [canary] = track_objects(PLACE, Track.CANARY, spec)
    assert canary["metadata"]["name"] == "backend-canary"
    assert canary["spec"]["replicas"] == 1
    assert canary["spec"]["selector"] == {"matchLabels": {"app": "backend", "shopkart/track": "canary"}}
    assert canary["spec"]["template"]["metadata"]["labels"]["shopkart/track"] == "canary"


def test_the_services_image_is_the_releases_wherever_it_is_used(tmp_path: Path) -> None:
    initial = "      initContainers: [{name: migrate, image: 'backend:1'}, {name: wait, image: wait}]\n"
    worker = DEPLOYMENT.replace("name: backend", "name: worker").replace("app: backend", "app: worker")
    files = FILES | {"web.yaml": DEPLOYMENT + initial, "worker.yaml": worker}
    made = named(track_objects(PLACE, Track.STABLE, the_spec(tmp_path, files)))
    web, other = (made["Deployment", name]["spec"]["template"] for name in ("backend", "worker"))
    assert [each["image"] for each in web["spec"]["initContainers"]] == [PLACE.image, "wait"]
    assert [each["image"] for each in other["spec"]["containers"]] == [PLACE.image]
    assert other["metadata"] == {"labels": {"app": "worker"}}


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("backend", "backend"),
        ("backend:1", "backend"),
        ("reg:5000/shop/backend", "reg:5000/shop/backend"),
        ("reg:5000/shop/backend:1@sha256:ab", "reg:5000/shop/backend"),
    ],
)
def test_an_images_name_has_neither_tag_nor_digest(reference: str, name: str) -> None:
    assert image_name(reference) == name


@pytest.mark.parametrize(("weight", "track"), [(0, "stable"), (10, None), (100, "canary")])
def test_the_teams_service_keeps_its_ports_and_goes_by_the_canarys_share(
    tmp_path: Path, weight: int, track: str | None
) -> None:
    [service] = surroundings(PLACE, the_spec(tmp_path, FILES), weight)
    assert service["spec"]["ports"] == [{"port": 8000, "targetPort": 80}]
    assert service["metadata"]["annotations"] == {"team": "shop"}
    assert service["spec"]["selector"].get("shopkart/track") == track


def test_without_a_service_of_theirs_there_is_one_to_the_port_called_http(tmp_path: Path) -> None:
    [service] = surroundings(PLACE, the_spec(tmp_path, {"web.yaml": DEPLOYMENT}))
    assert (service["metadata"]["name"], service["spec"]["ports"][0]["targetPort"]) == ("backend", "http")


def test_an_autoscaler_of_theirs_says_how_many_there_are(tmp_path: Path) -> None:
    own = read(tmp_path, FILES | {"load.yaml": AUTOSCALER})
    assert (own.replicas, own.autoscale) == (2, Autoscale(2, 6, 80))
    spec = the_spec(tmp_path, FILES | {"load.yaml": AUTOSCALER})
    assert "replicas" not in named(render(PLACE, spec))["Deployment", "backend"]["spec"]
    free, held = autoscaler(PLACE, spec), autoscaler(PLACE, spec, only_up=True)
    assert free is not None
    assert held is not None
    assert "behavior" not in free["spec"]
    assert held["spec"]["behavior"] == {"scaleDown": {"selectPolicy": "Disabled"}}
    assert free["metadata"] == held["metadata"] == {"name": "load", "namespace": "shop"}


def test_a_document_is_the_same_whatever_the_files_are_called(tmp_path: Path) -> None:
    one = read(tmp_path / "one", {"a.yaml": DEPLOYMENT})
    other = read(tmp_path / "other", {"b.yaml": f"# moved\n{DEPLOYMENT}"})
    assert one == other


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"web.yaml": SERVICE}, "No Deployment is called backend (there: none)"),
        ({"web.yaml": DEPLOYMENT.replace("name: backend", "name: web")}, "called backend (there: web)"),
        (
            {"web.yaml": DEPLOYMENT + "        - {name: proxy, image: proxy}\n"},
            "which container of Deployment backend is the service's (there: web, proxy)",
        ),
        ({"web.yaml": DEPLOYMENT.replace("backend, ann", "backend, namespace: other, ann")}, "for the namespace other"),
        (
            {"web.yaml": DEPLOYMENT.replace("{app: backend}}\n    spec", '{"app.kubernetes.io/name": web}}\n    spec')},
            "The label app.kubernetes.io/name of Deployment backend is 'web'",
        ),
        (
            FILES | {"public.yaml": SERVICE.replace("name: backend", "name: public")},
            "Requests through Service public would reach a canary past its share",
        ),
        ({"web.yaml": DEPLOYMENT.replace("name: http, ", "")}, "no port called http"),
        (FILES | {"s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"}, "does not apply v1 Secret"),
        (
            FILES | {"old.yaml": AUTOSCALER.replace("autoscaling/v2", "autoscaling/v1")},
            "does not apply autoscaling/v1 HorizontalPodAutoscaler",
        ),
        (
            FILES
            | {"c.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{a: {'x' * 100_000}}}\n"},
            "100000 are the most",
        ),
        ({"web.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: backend}\n"}, "are not in form"),
        ({"web.yaml": DEPLOYMENT.replace("replicas: 3", "replicas: many")}, "are not in form"),
    ],
)
def test_what_would_go_wrong_on_the_cluster_is_refused_before(
    tmp_path: Path, files: Mapping[str, str], words: str
) -> None:
    with pytest.raises(PipelineError) as refused:
        read(tmp_path, files)
    assert words in refused.value.what


def test_a_route_is_made_by_the_declaration_or_by_the_team(tmp_path: Path) -> None:
    theirs = (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: backend}\nspec: {parentRefs: []}\n"
    )
    files = FILES | {"route.yaml": theirs}
    assert "HTTPRoute" in read(tmp_path, files).document
    with pytest.raises(PipelineError, match="is what `route` of production makes"):
        read(tmp_path, files, the_service(Route(RouteKind.GATEWAY, "edge/shop")))
