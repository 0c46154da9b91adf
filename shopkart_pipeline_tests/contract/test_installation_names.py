"""Terraform, the pipeline's manifests and its monitoring are written apart, and call the same things by one name."""

import json
import re
from dataclasses import replace
from urllib.parse import urlsplit

import yaml

from shopkart_pipeline.adapters.kubernetes.pipeline_instance import instance_configuration
from shopkart_pipeline.domain.installation import Installation
from shopkart_pipeline.domain.run_pods import ACCOUNTS, UNTRUSTED
from shopkart_pipeline_tests.pipeline_installation import INSTALLATION, ROOT, objects, pipeline
from shopkart_pipeline_tests.pipeline_roles import OPERATORS, ROLES
from shopkart_pipeline_tests.terraform_tree import TERRAFORM, code

PRODUCTION = code(TERRAFORM / "production")
SIZES = json.loads((TERRAFORM / "production" / "sizes.auto.tfvars.json").read_text())


def test_roles_are_for_accounts_in_the_namespace_that_is_installed() -> None:
    assert re.search(r'namespace +=\s*"([^"]+)"', PRODUCTION)[1] == Installation.namespace  # type: ignore[index]
    assert set(objects("Namespace")) >= {Installation.namespace}
    accounts = set(objects("ServiceAccount"))
    # The others do nothing in the cloud.
    assert accounts - set(ROLES) == {ACCOUNTS[UNTRUSTED], "daemon", "server", "step"}
    assert set(ROLES) - set(OPERATORS) <= accounts


def test_every_secret_that_is_asked_for_has_a_place_and_every_place_is_asked_for() -> None:
    specs = [each["spec"] for each in objects("ExternalSecret").values()]
    asked = {part["extract"]["key"] for spec in specs for part in spec.get("dataFrom", [])}
    asked |= {part["remoteRef"]["key"] for spec in specs for part in spec.get("data", [])}
    [prefix] = re.findall(r'prefix +=\s*"(shopkart/pipeline)"', PRODUCTION)
    assert asked == {f"{prefix}/{name}" for name in SIZES["pipeline_secrets"]}
    table = (ROOT / "docs" / "production-kubernetes.md").read_text()
    assert set(re.findall(r"^\| `(shopkart/pipeline/\w+)` \|", table, re.MULTILINE)) == asked


def test_monitoring_finds_the_exporter_and_the_receiver_where_they_are_installed() -> None:
    values = yaml.safe_load((ROOT / "deploy" / "monitoring" / "kubernetes" / "helm-values.yaml").read_text())
    named = set(re.findall(r"shopkart-[a-z-]+\.[a-z-]+\.svc:\d+", json.dumps(values)))
    services = {
        f"{name}.{each['metadata']['namespace']}.svc:{each['spec']['ports'][0]['port']}"
        for name, each in objects("Service").items()
    }
    assert {urlsplit(f"//{each}").hostname.partition(".")[0] for each in named} == {  # type: ignore[union-attr]
        "shopkart-exporter",
        "shopkart-receiver",
    }
    assert named <= services
    alertmanager = (ROOT / "deploy" / "monitoring" / "alertmanager" / "alertmanager.yaml").read_text()
    assert set(re.findall(r"//(shopkart-receiver[^/]+)/", alertmanager)) <= services


def test_pods_that_are_sent_to_the_pipeline_s_nodes_are_let_onto_them() -> None:
    nodes = (TERRAFORM / "modules" / "eks" / "charts" / "nodes" / "templates" / "nodes.yaml").read_text()
    [(label, value)] = re.findall(r"labels: \{(\S+): (\S+)\}", nodes)
    [(key, taint, effect)] = re.findall(r"\{key: (\S+), value: (\S+), effect: (\S+)\}", nodes)
    assert (label, value) == (key, taint)
    sent = {kind: replace(pod, node_selector={label: value}) for kind, pod in pipeline().run_pods.items()}
    configured = instance_configuration(replace(pipeline(), run_pods=sent), INSTALLATION)
    for kind in configured["run_launcher"]["config"]["kinds"].values():
        spec = kind["pod_spec_config"]
        assert spec["nodeSelector"] == {label: value}
        assert spec["tolerations"] == [{"key": key, "operator": "Equal", "value": taint, "effect": effect}]
        # Karpenter makes these nodes, and leaves nodes alone on which such a pod runs.
        assert kind["pod_template_spec_metadata"]["annotations"] == {"karpenter.sh/do-not-disrupt": "true"}
