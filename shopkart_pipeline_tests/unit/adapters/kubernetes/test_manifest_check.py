"""The gate on manifests: every rule with the line that it names, and what may not pass for checked."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.kubernetes import rules
from shopkart_pipeline.adapters.kubernetes.manifest_check import ManifestCheck
from shopkart_pipeline.adapters.kubernetes.manifests import render, to_yaml
from shopkart_pipeline.domain.analysis import Analysis
from shopkart_pipeline.domain.declaration import Deployment, Environment, Phase, Service, StageKind
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline.domain.pod import Autoscale
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline_tests.rendered_manifests import EVERYTHING, PLACE, PLAIN, WORKLOADS
from shopkart_pipeline_tests.scan_requests import a_request, a_service, a_stage, evidence_of, reason_of, write_files

ENVIRONMENTS = {
    "staging": Environment("staging", Phase.STAGING, "kubernetes"),
    "production": Environment("production", Phase.PRODUCTION, "kubernetes"),
}
GOOD = to_yaml(render(PLACE, PLAIN))
SIDECAR = """\
      - name: proxy
        image: proxy:1.2
        securityContext:
          allowPrivilegeEscalation: false
          capabilities:
            drop: [ALL]
          readOnlyRootFilesystem: true
        resources:
          requests: {cpu: 10m, memory: 16Mi}
          limits: {memory: 16Mi}
"""


def a_deployment(environment: str, replicas: int = 2, autoscale: Autoscale | None = None) -> Deployment:
    return Deployment(environment, replicas, (), 60.0, Analysis(), (), None, autoscale=autoscale)


def the_service(manifests: str | None = "deploy", **deployments: Deployment) -> Service:
    service = a_service("backend", (), a_stage(StageKind.MANIFESTS))
    workload = replace(service.workload, manifests=manifests, drain_seconds=PLAIN.drain_seconds)
    found = deployments or {name: a_deployment(name) for name in ENVIRONMENTS}
    return replace(service, workload=workload, deployments=found)


def a_look(
    folder: Path, files: Mapping[str, str], base: Mapping[str, str] | None = None, service: Service | None = None
) -> ScanRequest:
    own = {f"backend/deploy/{name}": text for name, text in files.items()}
    base_files = None if base is None else {f"backend/deploy/{name}": text for name, text in base.items()}
    service = service or the_service()
    return a_request(folder, {"backend/main.py": "", **own}, base_files, stage=service.stages[0], service=service)


def look(folder: Path, files: Mapping[str, str], base: Mapping[str, str] | None = None) -> Evidence:
    return evidence_of(ManifestCheck(ENVIRONMENTS).scan(a_look(folder, files, base)))


@pytest.mark.parametrize("name", WORKLOADS)
def test_what_is_rendered_here_passes_every_rule(tmp_path: Path, name: str) -> None:
    evidence = look(tmp_path, {"all.yaml": to_yaml(render(PLACE, WORKLOADS[name]))})
    assert evidence.findings == ()
    assert evidence.measures["workloads"] == 1
    assert evidence.measures["violations"] == 0


# What changes, the rule that is then broken, and the text that the named line begins with.
CASES = [
    ("type: RollingUpdate", "type: Recreate", "recreate", "    type: Recreate"),
    ("maxUnavailable: 0", "maxUnavailable: 1", "max-unavailable", "      maxUnavailable: 1"),
    ("      maxUnavailable: 0\n", "", "max-unavailable", "    rollingUpdate:"),
    ("maxSurge: 25%", "maxSurge: 0", "max-surge", "      maxSurge: 0"),
    ("minReadySeconds: 10", "minReadySeconds: 1", "min-ready-seconds", "  minReadySeconds: 1"),
    ("progressDeadlineSeconds: 130", "progressDeadlineSeconds: 900", "progress-deadline", "  progressDeadlineSeconds"),
    ("  replicas: 3", "  replicas: 1", "single-replica", "  replicas: 1"),
    ("        - pod-template-hash", "        - zone", "spread-over-versions", "        matchLabelKeys:"),
    ("      topologySpreadConstraints:", "      other:", "no-topology-spread", "    spec:\n      serviceAccountName"),
    ("runAsNonRoot: true", "runAsNonRoot: false", "run-as-root", "        securityContext:"),
    ("runAsUser: 65532", "runAsUser: 0", "run-as-root", "        securityContext:"),
    ("RootFilesystem: true", "RootFilesystem: false", "writable-root", "          readOnlyRootFilesystem"),
    ("Escalation: false", "Escalation: true", "privilege-escalation", "          allowPrivilegeEscalation"),
    ("          readOnlyRootFilesystem: true\n", "", "writable-root", "        securityContext:"),
    ("privileged: false", "privileged: true", "privileged", "          privileged: true"),
    ("            - ALL", "            - NET_RAW", "capabilities", "            drop:"),
    ("type: RuntimeDefault", "type: Unconfined", "seccomp", "        securityContext:"),
    ("enableServiceLinks: false", "hostNetwork: true", "host-namespace", "      hostNetwork"),
    ("emptyDir:\n          sizeLimit: 256Mi", "hostPath: {path: /}", "host-path", "        hostPath"),
    ("      automountServiceAccountToken: false\n", "", "service-account-token", "    spec:\n      serviceAccountName"),
    ("            memory: 128Mi\n", "", "no-requests", "          requests:"),
    ("limits:\n            memory: 256Mi", "limits: {}", "no-memory-limit", "          limits: {}"),
    ("        startupProbe:", "        other:", "no-startup-probe", "      - name: backend\n        image"),
    ("        readinessProbe:", "        other:", "no-readiness-probe", "      - name: backend\n        image"),
    ("        livenessProbe:", "        other:", "no-liveness-probe", "      - name: backend\n        image"),
    ("path: /health/live", "path: /health/ready", "probes-alike", "        livenessProbe:"),
    ("seconds: 5", "seconds: 0", "no-pre-stop", "          preStop:"),
    ("GracePeriodSeconds: 20", "GracePeriodSeconds: 15", "grace-period", "      terminationGracePeriodSeconds"),
    ("name: DRAIN_SECONDS", "name: DB_PASSWORD", "plain-secret", "          value: '10'"),
    ("immutable: true", "immutable: false", "mutable-configuration", "immutable: false"),
    ("kind: PodDisruptionBudget", "kind: Other", "no-pdb", "apiVersion: apps/v1"),
    ("kind: NetworkPolicy", "kind: Other", "no-network-policy", "apiVersion: apps/v1"),
    ("  maxUnavailable: 1\n", "  maxUnavailable: 0\n", "pdb-blocks-drains", "  maxUnavailable: 0\n  selector"),
    ("  maxUnavailable: 1\n", "  minAvailable: 3\n", "pdb-blocks-drains", "  minAvailable"),
    ("  maxUnavailable: 1\n", "  minAvailable: 100%\n", "pdb-blocks-drains", "  minAvailable"),
    ("  maxUnavailable: 1\n", "  maxUnavailable: 100%\n", "pdb-protects-nothing", "  maxUnavailable: 100%"),
    ("  maxUnavailable: 1\n", "  maxUnavailable: 3\n", "pdb-protects-nothing", "  maxUnavailable: 3"),
    (
        "      - name: backend\n        image",
        f"{SIDECAR}      - name: backend\n        image",
        "image-tag",
        "        image: proxy",
    ),
]


def line_of(text: str, words: str) -> int:
    """The number of the line that begins with these words."""
    return f"\n{text}".partition(f"\n{words}")[0].count("\n") + 1


@pytest.mark.parametrize(("old", "new", "rule", "marker"), CASES)
def test_each_rule_names_the_line_to_change(tmp_path: Path, old: str, new: str, rule: str, marker: str) -> None:
    assert old in GOOD, "the case changes nothing"
    text = GOOD.replace(old, new, 1)
    assert f"\n{marker}" in text, "the line is not there"

    findings = look(tmp_path, {"all.yaml": text}).findings

    assert {(each.rule, each.path) for each in findings} == {(f"k8s-{rule}", "backend/deploy/all.yaml")}
    assert [each.line for each in findings] == [line_of(text, marker)] * len(findings)


SCALED = to_yaml(render(PLACE, EVERYTHING))
SCALED_CASES = [
    ("minReplicas: 3", "minReplicas: 1", "autoscaler-minimum", "  minReplicas"),
    ("spec:\n  minReadySeconds", "spec:\n  replicas: 5\n  minReadySeconds", "replicas-and-autoscaler", "  replicas: 5"),
    ("target-type: ip", "target-type: instance", "alb-target-type", "    alb.ingress.kubernetes.io/target-type"),
    ("seconds=10", "seconds=15", "alb-deregistration-delay", "    alb.ingress.kubernetes.io/target-group-attributes"),
    ("ingressClassName: alb", "ingressClassName: nginx", "ingress-nginx", "  ingressClassName"),
]


@pytest.mark.parametrize(("old", "new", "rule", "marker"), SCALED_CASES)
def test_what_stands_around_a_scaled_service_is_checked(
    tmp_path: Path, old: str, new: str, rule: str, marker: str
) -> None:
    assert old in SCALED
    text = SCALED.replace(old, new, 1)
    [finding] = look(tmp_path, {"all.yaml": text}).findings
    assert (finding.rule, finding.line) == (f"k8s-{rule}", line_of(text, marker))


@pytest.mark.parametrize(
    ("image", "rule"),
    [
        ("proxy", "image-latest"),
        ("proxy:latest", "image-latest"),
        ("reg:5000/proxy", "image-latest"),
        ("proxy:1", "image-tag"),
    ],
)
def test_images_beside_the_services_own_have_to_be_named_by_digest(tmp_path: Path, image: str, rule: str) -> None:
    own = "      - name: backend\n        image"
    text = GOOD.replace(own, SIDECAR.replace("proxy:1.2", image) + own, 1)
    assert [each.rule for each in look(tmp_path, {"all.yaml": text}).findings] == [f"k8s-{rule}"]
    pinned = text.replace(f"image: {image}\n", f"image: proxy@sha256:{'b' * 64}\n")
    assert look(tmp_path, {"all.yaml": pinned}).findings == ()


def test_the_services_own_image_may_have_any_tag_because_the_pipeline_sets_its_digest(tmp_path: Path) -> None:
    text = GOOD.replace(PLACE.image, "backend:latest")
    assert look(tmp_path, {"all.yaml": text}).findings == ()


def test_a_worker_needs_no_probes_and_its_own_image_needs_a_digest(tmp_path: Path) -> None:
    _, _, rest = GOOD.partition("kind: Deployment")
    worker = f"kind: Deployment{rest}".partition("---")[0].replace("  name: backend", "  name: worker", 1)
    for part in ("ports", "startupProbe", "readinessProbe", "livenessProbe"):
        worker = worker.replace(f"        {part}:", f"        no{part}:")
    files = {"all.yaml": GOOD, "worker.yaml": f"apiVersion: apps/v1\n{worker}"}
    assert look(tmp_path / "same", files).findings == ()
    files["worker.yaml"] = files["worker.yaml"].replace(PLACE.image, "worker:1")
    assert [each.rule for each in look(tmp_path / "other", files).findings] == ["k8s-image-tag"]


def test_a_value_that_should_be_a_secret_is_found_and_not_repeated(tmp_path: Path) -> None:
    text = GOOD.replace("name: DRAIN_SECONDS\n          value: '10'", "name: API_TOKEN\n          value: hunter2", 1)
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n"
    run = ManifestCheck(ENVIRONMENTS).scan(a_look(tmp_path, {"all.yaml": text, "secret.yaml": secret}))
    assert {each.rule for each in evidence_of(run).findings} == {"k8s-plain-secret", "k8s-secret-in-repository"}
    assert "hunter2" not in repr(run.result)
    assert all(b"hunter2" not in raw.content for raw in run.raw)


def test_one_replica_is_enough_before_production(tmp_path: Path) -> None:
    text = GOOD.replace("replicas: 3", "replicas: 1")
    service = the_service(
        "deploy/{environment}", staging=a_deployment("staging"), production=a_deployment("production")
    )
    request = a_look(tmp_path, {"staging/all.yaml": text, "production/all.yaml": text}, service=service)
    [finding] = evidence_of(ManifestCheck(ENVIRONMENTS).scan(request)).findings
    assert (finding.rule, finding.path) == ("k8s-single-replica", "backend/deploy/production/all.yaml")


def test_what_the_base_had_is_not_new(tmp_path: Path) -> None:
    bad = GOOD.replace("minReadySeconds: 10", "minReadySeconds: 1")
    evidence = look(tmp_path, {"all.yaml": f"# moved\n{bad}"}, {"all.yaml": bad})
    assert (evidence.measures["violations"], evidence.measures["new_violations"]) == (1, 0)


def test_manifests_that_are_new_altogether_have_only_new_findings(tmp_path: Path) -> None:
    bad = GOOD.replace("minReadySeconds: 10", "minReadySeconds: 1")
    evidence = look(tmp_path, {"all.yaml": bad}, {})
    assert (evidence.measures["new_violations"], evidence.notes) == (1, ())


def test_rendered_manifests_are_checked_as_well(tmp_path: Path) -> None:
    service = the_service(None, staging=a_deployment("staging", 1), production=a_deployment("production", 1))
    run = ManifestCheck(ENVIRONMENTS).scan(a_look(tmp_path, {}, service=service))
    [finding] = evidence_of(run).findings
    assert (finding.rule, finding.path, finding.line) == ("k8s-single-replica", None, None)
    assert finding.message.startswith("production: Deployment backend: ")
    assert evidence_of(run).measures["workloads"] == 2
    assert {each["object"] for each in json.loads(run.raw[0].content)} >= {"Deployment backend", "Service backend"}


def test_only_environments_on_kubernetes_are_checked_where_there_are_some(tmp_path: Path) -> None:
    environments = ENVIRONMENTS | {"production": Environment("production", Phase.PRODUCTION, "local")}
    service = the_service(None, staging=a_deployment("staging", 1), production=a_deployment("production", 1))
    evidence = evidence_of(ManifestCheck(environments).scan(a_look(tmp_path, {}, service=service)))
    assert (evidence.findings, evidence.measures["workloads"]) == ((), 1)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "There is no folder backend/deploy"),
        ({"README.md": "none here"}, "holds no manifest"),
        ({"a.yaml": ""}, "holds no manifest"),
        ({"a.yaml": "kind: [\n"}, "backend/deploy/a.yaml:2 is no YAML"),
        ({"a.yaml": "a: 1\n"}, "a.yaml:1 is no object of Kubernetes"),
        ({"a.yaml": "kind: A\nkind: B\n"}, "a.yaml:2 has the key 'kind' twice"),
        (
            {"a.yaml": "a: &a [" + "1, " * 99 + "1]\nb: &b [" + "*a, " * 99 + "*a]\nc: [" + "*b, " * 99 + "*b]\n"},
            "too large",
        ),
        ({"a.yaml": "[" * 99 + "]" * 99}, "nested too deep"),
        ({"a.yaml": "[" * 500_000}, "nested too deep"),
        ({"a.yaml": "a: !!python/object:os.system {}\nkind: x\n"}, "is no object"),
        (
            {"kustomization.yaml": "helmCharts: []\n"},
            "kustomization.yaml:1: `helmCharts` of a kustomization is not supp",
        ),
        ({"kustomization.yaml": "resources: [../../../etc]\n"}, "leads out of the repository"),
        ({"kustomization.yaml": "resources: ['https://example.com/a']\n"}, "is not in the repository"),
        ({"kustomization.yaml": "resources: [.]\n"}, "There is no folder"),
        ({"kustomization.yaml": "resources: [gone.yaml]\n"}, "There is no file backend/deploy/gone.yaml"),
    ],
)
def test_what_cannot_be_read_is_no_evidence(tmp_path: Path, files: Mapping[str, str], words: str) -> None:
    run = ManifestCheck(ENVIRONMENTS).scan(a_look(tmp_path, files))
    assert words in reason_of(run)


def test_manifests_without_a_deployment_have_none_counted(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
    assert look(tmp_path, {"a.yaml": text}).measures["workloads"] == 0


def test_the_result_depends_on_rules_declaration_and_everything_that_was_read(tmp_path: Path) -> None:
    def inputs(name: str, base: str, service: Service) -> Mapping[str, str]:
        files = {"kustomization.yaml": "resources: [../../base]\n"}
        request = a_look(tmp_path / name, files, service=service)
        write_files(request.tree / "base", {"all.yaml": base})
        found = ManifestCheck(ENVIRONMENTS).inputs(request)
        assert found is not None
        return found

    service = the_service()
    one = inputs("one", GOOD, service)
    assert one == inputs("same", GOOD, service)
    other_base = inputs("base", GOOD.replace("replicas: 3", "replicas: 4"), service)
    assert {key for key in one if one[key] != other_base[key]} == {"manifests"}
    other_service = inputs("service", GOOD, the_service(production=a_deployment("production", 5)))
    assert {key for key in one if one[key] != other_service[key]} == {"workload"}


def test_what_cannot_be_read_has_no_inputs_that_could_be_the_same(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        ManifestCheck(ENVIRONMENTS).inputs(a_look(tmp_path, {}))


def test_every_rule_is_broken_by_a_test_and_explained_to_people() -> None:
    sources = Path(rules.__file__).parent.glob("rules_*.py")
    written = {name for source in sources for name in re.findall(r'says\(\s*"([a-z-]+)"', source.read_text())}
    written |= {"writable-root", "privilege-escalation"}
    written |= {f"no-{probe}-probe" for probe in ("startup", "readiness", "liveness")}
    tested = {case[2] for case in (*CASES, *SCALED_CASES)} | {"image-latest", "secret-in-repository"}
    page = (Path(rules.__file__).parents[3] / "docs" / "manifests.md").read_text()
    assert tested == written
    assert set(re.findall(r"`k8s-([a-z-]+)`", page)) == written


def test_the_storefront_would_pass_on_kubernetes_as_it_is_declared(tmp_path: Path) -> None:
    pipeline = load(Path(rules.__file__).parents[3] / "shopkart.yaml", home=tmp_path)
    environments = {name: replace(each, platform="kubernetes") for name, each in pipeline.environments.items()}
    for service in pipeline.services.values():
        request = a_request(tmp_path / service.name, {}, stage=a_stage(StageKind.MANIFESTS), service=service)
        evidence = evidence_of(ManifestCheck(environments).scan(request))
        assert (evidence.findings, evidence.measures["workloads"]) == ((), 2)
