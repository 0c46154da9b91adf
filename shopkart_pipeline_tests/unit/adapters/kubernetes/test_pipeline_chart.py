"""The Helm chart as files: up to date, its values in its schema, and nothing of a template that was not meant.

What Helm makes of it is in `contract/test_helm_chart.py`.
"""

import json
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import jsonschema
import pytest
import yaml

from shopkart_pipeline.adapters.kubernetes.chart_markup import Markup
from shopkart_pipeline.adapters.kubernetes.chart_values import ChartValue, values_yaml
from shopkart_pipeline.adapters.kubernetes.pipeline_chart import render_chart
from shopkart_pipeline_tests.pipeline_installation import (
    CHART,
    INSTALLATION,
    ROOT,
    WRITE_CHART,
    chart_files,
    objects,
    pipeline,
)

FILES = chart_files()
VALUES: dict[str, Any] = yaml.safe_load(FILES["values.yaml"])
SCHEMA: dict[str, Any] = json.loads(FILES["values.schema.json"])
VALIDATOR: Any = jsonschema.Draft7Validator(SCHEMA)


def test_what_is_committed_is_what_the_shipped_declaration_gives() -> None:
    committed = {
        str(path.relative_to(CHART)): path.read_text(encoding="utf-8") for path in CHART.rglob("*") if path.is_file()
    }
    assert committed.pop("generated.txt").splitlines() == sorted(FILES)
    assert committed == FILES, f"run `{WRITE_CHART}`"


def test_its_own_values_are_in_its_schema_and_every_value_is_explained() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    VALIDATOR.validate(VALUES)
    said = FILES["values.yaml"].splitlines()
    for above, line in pairwise(said):
        if re.search(r": \S", line) and not line.lstrip().startswith("#"):
            assert above.lstrip().startswith("# "), line


def merged(base: Any, over: Any) -> Any:
    """As Helm lays values over those of the chart."""
    if not (base and over and isinstance(base, dict) and isinstance(over, dict)):
        return over
    below: dict[str, Any] = {**cast("dict[str, Any]", base)}
    return below | {key: merged(below.get(key), value) for key, value in cast("dict[str, Any]", over).items()}


@pytest.mark.parametrize(
    "wrong",
    [
        {"securityContext": {}},
        {"dagsterDaemon": {"nodeSelector": {"pool": 1}}},
        {"dagsterDaemon": {"resources": {"limits": {"memory": "much"}}}},
        {"dagsterDaemon": {"resources": {"claims": []}}},
        {"dagsterDaemon": {"tolerations": [{"operator": "Maybe"}]}},
        {"dagsterDaemon": {"annotations": {"container.apparmor.security.beta.kubernetes.io/daemon": "unconfined"}}},
        {"serviceAccount": {"annotations": {"iam.gke.io/gcp-service-account": "x"}}},
        {"postgresql": {"service": {"port": 0}}},
        {"signer": {"uri": "awskms:alias/x\nSHOPKART_CONFINEMENT: off"}},
        {"image": {"repository": "registry.example/x@sha256:1"}},
    ],
)
def test_what_may_not_be_said_is_not_in_the_schema(wrong: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(merged(VALUES, wrong))


def test_no_value_gives_rights_or_opens_a_way() -> None:
    """The templates of these have no action but the namespace, and annotations of accounts."""
    for name in ("role", "rolebinding", "networkpolicy", "service", "poddisruptionbudget"):
        actions = set(re.findall(r"\{\{.*?\}\}", FILES[f"templates/{name}.yaml"]))
        assert actions <= {"{{ .Release.Namespace | quote }}", "{{ .Release.Namespace }}"}, name


def test_the_namespace_is_beside_the_templates_as_helm_needs_it_before() -> None:
    assert yaml.safe_load(FILES["namespace.yaml"].split("---", 1)[1]) == objects("Namespace")[INSTALLATION.namespace]
    assert "name: {{ .Release.Namespace }}-steps" in FILES["templates/namespace.yaml"]
    assert FILES["templates/namespace.yaml"].count("kind: Namespace") == 1


def test_the_page_about_the_chart_names_values_that_there_are() -> None:
    table = (ROOT / "docs" / "helm.md").read_text(encoding="utf-8")
    rows = [row.split("|")[1:4] for row in table.splitlines() if row.startswith("| `")]
    named = {
        path
        for theirs, ours, _ in rows
        for path in re.findall(r"`([a-zA-Z][\w.-]+)`", theirs if ours.strip() == "the same" else ours)
    }
    missing = [path for path in named if not is_value(path)]
    assert len(named) > 10
    assert missing == []


def is_value(path: str) -> bool:
    place: Any = VALUES
    for key in path.split("."):
        if key not in place:
            return False
        place = place[key]
    return True


def test_values_begin_with_what_was_asked_for() -> None:
    other = replace(INSTALLATION, region="us-east-1", signer_uri="awskms:alias/own")
    values = yaml.safe_load(render_chart(pipeline(), other, "1.2.3")["values.yaml"])
    assert values["computeLogManager"]["config"]["s3ComputeLogManager"]["region"] == "us-east-1"
    assert values["signer"]["uri"] == "awskms:alias/own"


def value(path: str) -> ChartValue:
    return ChartValue(path, 1, {}, "")


def test_braces_of_the_declaration_are_no_template() -> None:
    assert Markup().template("args: ['{{ .Values.secret }}', '}}']\n") == (
        "args: ['{{ \"{{\" }} .Values.secret }}', '}}']\n"
    )


def test_a_value_in_a_place_that_takes_none_is_refused() -> None:
    marks = Markup()
    with pytest.raises(ValueError, match="no value can go"):
        marks.template(f"words: before {marks.optional(value('a'))}\n")


def test_a_value_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a\.b is there twice"):
        values_yaml([value("a.b"), value("a.b")])
