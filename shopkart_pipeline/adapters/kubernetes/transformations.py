"""What a kustomization does to the objects that it gathers, in kustomize's own order: patches, then namespace, labels,
annotations, images and numbers of replicas."""

import re
from collections.abc import Callable, Iterable

from shopkart_pipeline.adapters.kubernetes.located import Node, read_documents
from shopkart_pipeline.adapters.kubernetes.merging import json_patched, merged
from shopkart_pipeline.domain.errors import NotFound, Refused

Reader = Callable[[Node], tuple[Node, ...]]
"""Reads the file that a value names."""

_TARGET_KEYS = frozenset({"kind", "name", "group", "version", "namespace"})


def transformed(manifests: Iterable[Node], said: Node, read: Reader) -> tuple[Node, ...]:
    """The objects as a kustomization wants them.

    Args:
        manifests: what its resources are; changed in place where nothing else is needed.
        said: the kustomization.
        read: gives the documents of a patch's file.

    Raises:
        Refused, NotFound: something of it can't be carried out.
    """
    found = list(manifests)
    for patch in said.items("patches"):
        found = _patched(found, patch, read)
    for manifest in found:
        if namespace := said.get("namespace"):
            _set(manifest, namespace, "metadata", "namespace")
        _label(manifest, said)
        for key, value in said.entries("commonAnnotations").items():
            for place in (("metadata",), ("spec", "template", "metadata")):
                if manifest.get(*place):
                    _set(manifest, value, *place, "annotations", key)
        _set_images(manifest, said)
        _set_replicas(manifest, said)
    return tuple(found)


def _patched(manifests: list[Node], patch: Node, read: Reader) -> list[Node]:
    inline, file, target = patch.get("patch"), patch.get("path"), patch.get("target")
    if target is not None and (unknown := target.entries().keys() - _TARGET_KEYS):
        raise Refused(f"{patch.file}:{patch.line}: a target by {min(unknown)} is not supported.", "Name the object.")
    if inline is not None:
        documents = read_documents(str(inline.content), inline.file)
        for document in documents:
            _moved(document, inline.line)
    elif file is not None:
        documents = read(file)
    else:
        raise Refused(f"{patch.file}:{patch.line}: a patch has neither `patch` nor `path`.", "Write one.")
    for document in documents:
        manifests = _applied(manifests, document, target, patch)
    return manifests


def _moved(node: Node, line: int) -> None:
    """Places of an inline patch are in the kustomization: its lines follow on its key's, as a block scalar's do."""
    node.line += line
    children = node.content.values() if isinstance(node.content, dict) else node.content
    for child in children if not isinstance(children, str | int | float | bool | None) else ():
        _moved(child, line)


def _applied(manifests: list[Node], document: Node, target: Node | None, patch: Node) -> list[Node]:
    operations = document.items() if isinstance(document.content, list) else None
    if operations is not None and target is None:
        raise Refused(f"{patch.file}:{patch.line}: a JSON patch has no target.", "Say its `target`.")
    after: list[Node] = []
    hits = 0
    for manifest in manifests:
        if not (_is_target(manifest, target) if target is not None else _is_same(manifest, document)):
            after.append(manifest)
            continue
        hits += 1
        if operations is None:
            result = merged(manifest, document)
            after += [] if result is None else [result]
        else:
            for operation in operations:
                json_patched(manifest, operation)
            after.append(manifest)
    if not hits:
        raise NotFound(f"{patch.file}:{patch.line}: the patch meets no object.", "Mend its target.")
    return after


def _is_target(manifest: Node, target: Node) -> bool:
    group, _, version = manifest.text("apiVersion").rpartition("/")
    said = {
        "kind": manifest.text("kind"),
        "name": manifest.text("metadata", "name"),
        "namespace": manifest.text("metadata", "namespace"),
        "group": group,
        "version": version,
    }
    return all(re.fullmatch(str(value.content), said[key]) for key, value in target.entries().items())


def _is_same(manifest: Node, patch: Node) -> bool:
    return all(manifest.text(*path) == patch.text(*path) for path in (("kind",), ("metadata", "name")))


def _set(node: Node, value: Node, *path: str) -> None:
    for segment in path[:-1]:
        below = node.get(segment)
        if below is None:
            below = Node({}, value.file, value.line)
            _entries(node)[segment] = below
        node = below
    _entries(node)[path[-1]] = value


def _entries(node: Node) -> dict[str, Node]:
    if not isinstance(node.content, dict):
        raise Refused(f"{node.file}:{node.line} should hold keys with values.", "Mend it.")
    return node.content


def _label(manifest: Node, said: Node) -> None:
    for key, value in said.entries("commonLabels").items():
        _label_one(manifest, key, value, selectors=True, templates=True)
    for group in said.items("labels"):
        selectors = group.value("includeSelectors") is True
        templates = selectors or group.value("includeTemplates") is True
        for key, value in group.entries("pairs").items():
            _label_one(manifest, key, value, selectors=selectors, templates=templates)


def _label_one(manifest: Node, key: str, value: Node, *, selectors: bool, templates: bool) -> None:
    _set(manifest, value, "metadata", "labels", key)
    if templates and manifest.get("spec", "template", "metadata"):
        _set(manifest, value, "spec", "template", "metadata", "labels", key)
    if not selectors:
        return
    if manifest.text("kind") == "Service" and manifest.get("spec", "selector"):
        _set(manifest, value, "spec", "selector", key)
    for path in (("spec", "selector"), ("spec", "podSelector")):
        if manifest.text("kind") != "Service" and manifest.get(*path):
            _set(manifest, value, *path, "matchLabels", key)
    for spread in manifest.items("spec", "template", "spec", "topologySpreadConstraints"):
        if spread.get("labelSelector"):
            _set(spread, value, "labelSelector", "matchLabels", key)


def _set_images(manifest: Node, said: Node) -> None:
    pod = manifest.get("spec", "template", "spec")
    for container in (*pod.items("initContainers"), *pod.items("containers")) if pod else ():
        for image in said.items("images"):
            written = container.text("image")
            name = re.sub(r"(@[^/]*|:[^/]*)$", "", re.sub(r"@.*$", "", written))
            if name != image.text("name"):
                continue
            rest = written.removeprefix(name)
            if digest := image.text("digest"):
                rest = f"@{digest}"
            elif tag := image.text("newTag"):
                rest = f":{tag}"
            new = Node((image.text("newName") or name) + rest, image.file, image.line)
            _set(container, new, "image")


def _set_replicas(manifest: Node, said: Node) -> None:
    for wanted in said.items("replicas"):
        count = wanted.get("count")
        scalable = manifest.text("kind") in ("Deployment", "StatefulSet", "ReplicaSet")
        if scalable and count is not None and manifest.text("metadata", "name") == wanted.text("name"):
            _set(manifest, count, "spec", "replicas")
