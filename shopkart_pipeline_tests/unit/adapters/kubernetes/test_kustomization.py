"""Folders and kustomizations: what is made of them, and where everything stands."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.adapters.kubernetes.kustomization import read_manifests
from shopkart_pipeline.adapters.kubernetes.located import Node, located, read_documents
from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline_tests.scan_requests import write_files

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  selector:
    matchLabels:
      app: web
  template:
    metadata:
      labels:
        app: web
    spec:
      containers:
        - name: web
          image: registry.example:5000/web:1
          env:
            - name: A
              value: a
            - name: B
              value: b
        - name: proxy
          image: proxy
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}}
"""
OVERLAY = "overlay/kustomization.yaml"
BASE = {
    "base/kustomization.yaml": "resources: [web.yaml, service.yaml]\n",
    "base/web.yaml": DEPLOYMENT,
    "base/service.yaml": SERVICE,
}


def kustomized(folder: Path, said: str, files: Mapping[str, str] | None = None) -> dict[str, Node]:
    """By kind what an overlay over the base makes."""
    write_files(folder, {**BASE, **(files or {}), OVERLAY: f"resources: [../base]\n{said}"})
    return {manifest.text("kind"): manifest for manifest in read_manifests(folder / "overlay", folder)}


def containers(manifest: Node) -> dict[str, Any]:
    return {each.text("name"): each.plain() for each in manifest.items("spec", "template", "spec", "containers")}


def test_a_folder_is_read_file_by_file_with_every_document(tmp_path: Path) -> None:
    listed = "kind: List\nitems:\n  - kind: ConfigMap\n    metadata: {name: a}\n"
    write_files(
        tmp_path, {"b.yaml": f"{SERVICE}---\n{DEPLOYMENT}---\n", "a.yml": listed, "notes.txt": "x", "c/d.yaml": SERVICE}
    )
    found = [(each.text("kind"), each.file, each.line) for each in read_manifests(tmp_path, tmp_path)]
    assert found == [("ConfigMap", "a.yml", 3), ("Service", "b.yaml", 1), ("Deployment", "b.yaml", 6)]


def test_a_namespace_labels_and_annotations_are_put_everywhere_that_they_belong(tmp_path: Path) -> None:
    made = kustomized(
        tmp_path,
        "namespace: shop\n"
        "labels:\n"
        "  - {pairs: {team: checkout}, includeSelectors: true}\n"
        "  - {pairs: {tier: web}, includeTemplates: true}\n"
        "commonAnnotations: {note: hello}\n",
    )
    deployment, service = made["Deployment"].plain(), made["Service"].plain()
    assert deployment["metadata"] == {
        "name": "web",
        "namespace": "shop",
        "labels": {"team": "checkout", "tier": "web"},
        "annotations": {"note": "hello"},
    }
    assert deployment["spec"]["selector"] == {"matchLabels": {"app": "web", "team": "checkout"}}
    assert deployment["spec"]["template"]["metadata"] == {
        "labels": {"app": "web", "team": "checkout", "tier": "web"},
        "annotations": {"note": "hello"},
    }
    assert service["spec"]["selector"] == {"app": "web", "team": "checkout"}


def test_images_and_replicas_are_set_by_name(tmp_path: Path) -> None:
    made = kustomized(
        tmp_path,
        "images:\n"
        "  - {name: 'registry.example:5000/web', newName: mirror.example/web, newTag: '2'}\n"
        f"  - {{name: proxy, digest: 'sha256:{'b' * 64}'}}\n"
        "  - {name: we, newTag: '9'}\n"
        "replicas: [{name: web, count: 4}]\n",
    )
    images = {name: each["image"] for name, each in containers(made["Deployment"]).items()}
    assert images == {"web": "mirror.example/web:2", "proxy": f"proxy@sha256:{'b' * 64}"}
    assert made["Deployment"].value("spec", "replicas") == 4
    replicas = made["Deployment"].get("spec", "replicas")
    assert replicas is not None
    assert (replicas.file, replicas.line) == (OVERLAY, 6)


def test_a_strategic_patch_merges_containers_and_variables_by_name(tmp_path: Path) -> None:
    patch = """\
kind: Deployment
metadata: {name: web}
spec:
  replicas: null
  minReadySeconds: 10
  template:
    spec:
      containers:
        - name: web
          env: [{name: B, value: other}, {name: C, value: c}]
        - {name: proxy, $patch: delete}
        - {name: extra, image: extra}
"""
    made = kustomized(tmp_path, "patches: [{path: patch.yaml}]\n", {"overlay/patch.yaml": patch})["Deployment"]
    assert list(containers(made)) == ["web", "extra"]
    assert [(each["name"], each["value"]) for each in containers(made)["web"]["env"]] == [
        ("A", "a"),
        ("B", "other"),
        ("C", "c"),
    ]
    assert made.get("spec", "replicas") is None
    ready, image = made.get("spec", "minReadySeconds"), made.get("spec", "template", "spec", "containers", 0, "image")
    assert ready is not None
    assert image is not None
    assert (ready.file, ready.line) == ("overlay/patch.yaml", 5)
    assert (image.file, image.line) == ("base/web.yaml", 17)


def test_an_inline_patch_has_its_place_in_the_kustomization(tmp_path: Path) -> None:
    said = """\
patches:
  - target: {kind: Deployment, name: w.*}
    patch: |-
      - {op: replace, path: /spec/replicas, value: 7}
      - op: add
        path: /metadata/annotations
        value:
          a/b: c
      - {op: add, path: /spec/template/spec/containers/-, value: {name: last}}
      - {op: remove, path: /spec/template/spec/containers/1}
"""
    made = kustomized(tmp_path, said)["Deployment"]
    replicas, annotation = made.get("spec", "replicas"), made.get("metadata", "annotations", "a/b")
    assert replicas is not None
    assert annotation is not None
    assert (replicas.content, replicas.file, replicas.line) == (7, OVERLAY, 5)
    assert (annotation.content, annotation.line) == ("c", 9)
    assert list(containers(made)) == ["web", "last"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("configMapGenerator: []\n", "`configMapGenerator` of a kustomization is not supported"),
        ("namePrefix: a-\n", "`namePrefix` of a kustomization is not supported"),
        ("patches: [{path: none.yaml}]\n", "There is no file overlay/none.yaml"),
        ("patches: [{target: {kind: Job}, patch: 'spec: {}'}]\n", "the patch meets no object"),
        ("patches: [{target: {labelSelector: a}, patch: 'spec: {}'}]\n", "a target by labelSelector is not supported"),
        ("patches: [{patch: '[{op: remove, path: /a}]'}]\n", "a JSON patch has no target"),
        ("patches: [{target: {kind: Service}, patch: '[{op: remove, path: /a}]'}]\n", "nothing is at /a"),
        ("patches: [{target: {kind: Service}, patch: '[{op: remove, path: \"\"}]'}]\n", "nothing is at"),
        ("patches: [{target: {kind: Service}, patch: '[{op: test, path: /a}]'}]\n", "an operation 'test'"),
        ("patches: [{target: {kind: Service}, patch: 'spec: {$patch: replace}'}]\n", "the directive $patch"),
        ("patches: [{}]\n", "a patch has neither `patch` nor `path`"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_by_name(tmp_path: Path, said: str, words: str) -> None:
    with pytest.raises(PipelineError) as refused:
        kustomized(tmp_path, said)
    assert words in refused.value.what


def test_a_link_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    outside = write_files(tmp_path / "outside", {"web.yaml": DEPLOYMENT})
    repository = write_files(tmp_path / "repository", {"deploy/kustomization.yaml": "resources: [web.yaml]\n"})
    (repository / "deploy" / "web.yaml").symlink_to(outside / "web.yaml")
    with pytest.raises(PipelineError, match="leads out of the repository"):
        read_manifests(repository / "deploy", repository)


def test_dates_and_other_scalars_are_what_kubernetes_takes_them_for() -> None:
    [document] = read_documents("a: 2026-01-01\nb: yes\nc: 0x10\nd: '1'\ne: ~\n", "a.yaml")
    assert document.plain() == {"a": "2026-01-01", "b": True, "c": 16, "d": "1", "e": None}


def test_what_is_plain_stays_plain() -> None:
    value = {"a": [1, {"b": None}], "c": "d"}
    assert located(value, "x").plain() == value


def test_an_empty_folder_holds_no_manifests(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_manifests(tmp_path, tmp_path)
