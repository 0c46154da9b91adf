"""All objects, with the history of their changes; nothing here knows what they mean.

One counter numbers every change (`resourceVersion`). An object is never changed in place: it is replaced, and the
history keeps what it was. A write that changes nothing is no change. Everything happens under one lock."""

import itertools
import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server.ownership import Owners
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import Resource

Key = tuple[Resource, str, str]
"""Resource, namespace (empty for none) and name."""


def copied(document: Any) -> Any:
    """A copy that shares nothing."""
    return json.loads(json.dumps(document))


@dataclass(frozen=True)
class Change:
    """One change of one object."""

    version: int
    type: str
    """`ADDED`, `MODIFIED` or `DELETED`."""
    resource: Resource
    document: Document
    before: Document | None


@dataclass
class Store:
    """The objects of a cluster."""

    stamp: Callable[[], str]
    """The time as Kubernetes writes it."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    history: list[Change] = field(default_factory=list[Change])
    compacted: int = 0
    """The newest version that is no longer known of."""
    listeners: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    """Called after every change, under the lock."""
    owners: dict[Key, Owners] = field(default_factory=dict[Key, Owners])
    _documents: dict[Key, Document] = field(default_factory=dict[Key, Document])
    _kinds: dict[Resource, dict[Key, Document]] = field(default_factory=dict[Resource, dict[Key, Document]])
    _owned: dict[str, dict[Key, Document]] = field(default_factory=dict[str, dict[Key, Document]])
    """By the uid of an owner."""
    _uids: set[str] = field(default_factory=set[str])
    _versions: Any = field(default_factory=lambda: itertools.count(1001))
    version: int = 1000

    def get(self, resource: Resource, namespace: str, name: str) -> Document | None:
        """An object; whoever wants to change it works on a copy."""
        return self._documents.get((resource, namespace, name))

    def all(self, resource: Resource, namespace: str | None = None) -> list[Document]:
        """Objects of a kind, by namespace and name."""
        found = self._kinds.get(resource, {})
        return [found[key] for key in sorted(found, key=lambda each: each[1:]) if namespace in (None, key[1])]

    def with_owner(self, uid: str) -> list[tuple[Resource, Document]]:
        """Objects that name another one as an owner."""
        return [(key[0], document) for key, document in self._owned.get(uid, {}).items()]

    def has_uid(self, uid: str) -> bool:
        return uid in self._uids

    def create(self, resource: Resource, document: Document, owners: Owners | None = None) -> Document:
        """Put a new object in; what the server says of it is filled in."""
        made = copied(document)
        metadata = made["metadata"]
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = self.stamp()
        if resource.counts_generations:
            metadata["generation"] = 1
        key = (resource, metadata.get("namespace", ""), metadata["name"])
        return self._put(key, made, owners or Owners(), "ADDED", None)

    def update(self, resource: Resource, document: Document, owners: Owners | None = None) -> Document:
        """Replace an object; its generation counts when anything but metadata and status changes."""
        made = copied(document)
        metadata = made["metadata"]
        key = (resource, metadata.get("namespace", ""), metadata["name"])
        before = self._documents[key]
        if resource.counts_generations and _wanted(made) != _wanted(before):
            metadata["generation"] = before["metadata"]["generation"] + 1
        owners = owners or self.owners[key]
        if _told(made) == _told(before) and owners.fields == self.owners[key].fields:
            return before
        return self._put(key, made, owners, "MODIFIED", before)

    def remove(self, resource: Resource, namespace: str, name: str) -> Document:
        """Take an object away."""
        key = (resource, namespace, name)
        before = self._documents.pop(key)
        self.owners.pop(key)
        self._unindex(key, before)
        gone = copied(before)
        self._note("DELETED", resource, gone, before)
        return gone

    def compact(self) -> None:
        """Forget the history: who watches from an older version is told that it has expired."""
        with self.lock:
            self.history.clear()
            self.compacted = self.version

    def changes_since(self, version: int, resource: Resource) -> list[Change]:
        """What happened to a kind after a version."""
        start = len(self.history)
        while start and self.history[start - 1].version > version:
            start -= 1
        return [change for change in self.history[start:] if change.resource is resource]

    def _put(self, key: Key, document: Document, owners: Owners, kind: str, before: Document | None) -> Document:
        document["metadata"].pop("managedFields", None)
        if owners.fields:
            document["metadata"]["managedFields"] = owners.document()
        self.owners[key] = owners
        if before is not None:
            self._unindex(key, before)
        self._documents[key] = self._kinds.setdefault(key[0], {})[key] = document
        self._uids.add(document["metadata"]["uid"])
        for owner in document["metadata"].get("ownerReferences", []):
            self._owned.setdefault(owner["uid"], {})[key] = document
        self._note(kind, key[0], document, before)
        return document

    def _unindex(self, key: Key, document: Document) -> None:
        del self._kinds[key[0]][key]
        self._uids.discard(document["metadata"]["uid"])
        for owner in document["metadata"].get("ownerReferences", []):
            self._owned[owner["uid"]].pop(key, None)

    def _note(self, kind: str, resource: Resource, document: Document, before: Document | None) -> None:
        self.version = next(self._versions)
        document["metadata"]["resourceVersion"] = str(self.version)
        self.history.append(Change(self.version, kind, resource, document, before))
        for listener in list(self.listeners):
            listener()


def _wanted(document: Document) -> Document:
    """What counts for the generation. A pod's binding to a node does not."""
    wanted = {name: value for name, value in document.items() if name not in ("metadata", "status")}
    if document["kind"] == "Pod":
        wanted["spec"] = {name: value for name, value in wanted["spec"].items() if name != "nodeName"}
    return wanted


def _told(document: Document) -> Document:
    hidden = ("resourceVersion", "managedFields", "generation")
    metadata = {name: value for name, value in document["metadata"].items() if name not in hidden}
    return {**document, "metadata": metadata}
