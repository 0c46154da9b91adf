"""The small charts that Terraform installs: what they render to, and that a deployer may do what the pipeline does.

Helm is in no package registry, so a stand-in fills in values; it knows what these charts use of the language, and no
more.
"""

import json
import re
from typing import Any

import pytest
import yaml

from shopkart_pipeline.adapters.kubernetes.kinds import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    EVENT,
    JOB,
    KINDS,
    LEASE,
    POD,
    REPLICA_SET,
)
from shopkart_pipeline_tests.terraform_tree import MODULES, blocks

CHARTS = {chart.name: chart for folder in MODULES for chart in sorted(folder.glob("charts/*"))}
VALUES: dict[str, dict[str, Any]] = {
    "rights": {"group": "shopkart:production", "readers": "shopkart:readers", "namespaces": ["production"]},
    "nodes": {
        "cluster": "shopkart-production",
        "role": "shopkart-production-node",
        "securityGroup": "sg-1",
        "diskGigabytes": 50,
        "instanceFamilies": ["m7i", "c7i"],
        "cores": 96,
    },
    "gateway": {
        "loadBalancer": "shopkart-production",
        "certificate": "arn:certificate",
        "securityGroup": "sg-2",
        "subnets": ["subnet-1", "subnet-2", "subnet-3"],
        "routeNamespaces": ["production"],
    },
}


def rendered(chart: str) -> list[dict[str, Any]]:
    """The objects of a chart's only template."""
    [template] = sorted((CHARTS[chart] / "templates").iterdir())
    text = re.sub(
        r"[ \t]*\{\{- range \.Values\.(\w+) \}\}\n(.*?)[ \t]*\{\{- end \}\}\n",
        lambda match: "".join(re.sub(r"\{\{ \. \}\}", each, match[2]) for each in VALUES[chart][match[1]]),
        template.read_text(),
        flags=re.DOTALL,
    )
    text = text.replace("{{ .Release.Namespace }}", "installed-here")

    def filled(match: re.Match[str]) -> str:
        value = VALUES[chart][match[1]]
        return json.dumps(str(value) if match[2] == " | quote" else value) if match[2] else str(value)

    text = re.sub(r"\{\{ \$?\.Values\.(\w+)( \| \w+)? \}\}", filled, text)
    assert "{{" not in text
    return [each for each in yaml.safe_load_all(text) if each]


def test_every_chart_is_installed_with_all_of_its_values() -> None:
    assert set(CHARTS) == set(VALUES)
    for name, chart in CHARTS.items():
        assert set(yaml.safe_load((chart / "values.yaml").read_text())) == set(VALUES[name])
        [release] = [
            each for each in blocks(chart.parents[1], "resource") if f'"${{path.module}}/charts/{name}"' in each.body
        ]
        given = release.body.partition("values = [yamlencode({")[2].partition("})]")[0]
        assert set(re.findall(r"^    (\w+) +=", given, re.MULTILINE)) == set(VALUES[name])


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_renders_to_objects_with_kind_and_name(chart: str) -> None:
    for each in rendered(chart):
        assert {"apiVersion", "kind", "metadata"} <= set(each)
        assert each["metadata"]["name"]


def rules(name: str = "shopkart-deployer") -> dict[tuple[str, str], set[str]]:
    """Verbs by group and plural, of a Role."""
    [role] = [each for each in rendered("rights") if (each["kind"], each["metadata"]["name"]) == ("Role", name)]
    assert role["metadata"]["namespace"] == "production"
    return {
        (group, plural): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
    }


def test_a_deployer_may_apply_what_the_pipeline_applies_and_look_at_what_it_looks_at() -> None:
    allowed = rules()
    for kind in KINDS.values():
        group = kind.api_version.rpartition("/")[0]
        assert {"get", "list", "create", "patch", "delete"} <= allowed[group, kind.plural], kind
    looked_at = {POD: "list", EVENT: "list", REPLICA_SET: "list", ENDPOINT_SLICE: "list", DEPLOYMENT: "get"}
    changed = {CONFIG_MAP: "update", JOB: "create", LEASE: "update"}
    for kind, verb in (looked_at | changed).items():
        assert verb in allowed[kind.api_version.rpartition("/")[0], kind.plural], kind
    assert "get" in allowed["", "pods/log"]


def test_a_deployer_reads_no_secret_enters_no_pod_and_gives_no_rights() -> None:
    named = set(rules())
    for refused in (
        ("", "secrets"), ("", "pods/exec"), ("", "pods/portforward"), ("", "nodes"), ("", "serviceaccounts/token"),
        ("rbac.authorization.k8s.io", "roles"), ("rbac.authorization.k8s.io", "rolebindings"), ("*", "*"),
    ):  # fmt: skip
        assert refused not in named
    assert not any("*" in verbs for verbs in rules().values())
    assert "create" not in rules()["", "pods"]


def test_a_reader_may_look_at_whatever_a_deployer_applies_and_changes_nothing() -> None:
    looking, deploying = rules("shopkart-reader"), rules()
    assert set(looking) == set(deploying)
    assert all(verbs <= {"get", "list"} for verbs in looking.values())
    bound = {
        (each["roleRef"]["name"], subject["name"])
        for each in rendered("rights")
        if each["kind"] == "RoleBinding"
        for subject in each["subjects"]
    }
    assert bound == {("shopkart-deployer", "shopkart:production"), ("shopkart-reader", "shopkart:readers")}


def test_the_gateway_is_internal_encrypted_and_open_to_the_environments_routes_alone() -> None:
    found = {each["kind"]: each for each in rendered("gateway")}
    [listener] = found["Gateway"]["spec"]["listeners"]
    assert (listener["port"], listener["protocol"]) == (443, "HTTPS")
    [expression] = listener["allowedRoutes"]["namespaces"]["selector"]["matchExpressions"]
    assert expression["values"] == ["production"]
    load_balancer = found["LoadBalancerConfiguration"]["spec"]
    assert load_balancer["scheme"] == "internal"
    assert load_balancer["securityGroups"] == ["sg-2"]
    assert len(load_balancer["loadBalancerSubnets"]) == 3
    assert found["TargetGroupConfiguration"]["spec"]["defaultConfiguration"]["targetType"] == "ip"


def test_nodes_have_a_limit_encrypted_disks_and_a_metadata_service_that_pods_do_not_reach() -> None:
    objects = rendered("nodes")
    pools = [each for each in objects if each["kind"] == "NodePool"]
    assert [each["spec"]["limits"]["cpu"] for each in pools] == ["96", "96"]
    [made] = [each for each in objects if each["kind"] == "EC2NodeClass"]
    assert all(disk["ebs"]["encrypted"] for disk in made["spec"]["blockDeviceMappings"])
    assert made["spec"]["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }
    [pipeline] = [each for each in pools if each["metadata"]["name"] == "pipeline"]
    assert pipeline["spec"]["template"]["spec"]["taints"][0]["effect"] == "NoSchedule"
