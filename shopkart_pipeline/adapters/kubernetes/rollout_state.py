"""The rollout's document, in a ConfigMap beside the workload.

It is there before the first Deployment is and after a failed one has left, and it may get larger than the 256 KiB that
annotations have. Whoever writes names the version that this process read or wrote last, so a worker that lost its lease
and does not know it yet can't overwrite what its successor saved: it gets a `Conflict`.
"""

import threading

from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.documents import part, text
from shopkart_pipeline.adapters.kubernetes.kinds import CONFIG_MAP
from shopkart_pipeline.adapters.kubernetes.names import Manifest
from shopkart_pipeline.domain.errors import Conflict, NotFound

_KEY = "rollout.json"


class RolloutStates:
    """Loads and saves documents, and remembers which version of each was seen last."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._versions: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def load(self, namespace: str, name: str) -> str | None:
        """The document, or None."""
        found = self._api.get(CONFIG_MAP, namespace, name)
        self._remember(namespace, name, found)
        return text(found, "data", _KEY) or None

    def save(self, namespace: str, described: Manifest, document: str) -> None:
        """Write a document.

        Raises:
            Conflict: somebody else wrote it since this process looked last.
        """
        name = described["name"]
        with self._lock:
            version = self._versions.get((namespace, name))
        if version is None:
            current = self._api.get(CONFIG_MAP, namespace, name)
            version = None if current is None else str(current["metadata"]["resourceVersion"])
        identity: Manifest = {"apiVersion": CONFIG_MAP.api_version, "kind": CONFIG_MAP.kind}
        wanted = {**identity, "metadata": dict(described), "data": {_KEY: document}}
        try:
            if version is None:
                written = self._api.create(CONFIG_MAP, namespace, wanted)
            else:
                wanted["metadata"]["resourceVersion"] = version
                written = self._api.replace(CONFIG_MAP, namespace, wanted)
        except NotFound:
            # Somebody removed it; what is true now is what is saved now.
            del wanted["metadata"]["resourceVersion"]
            written = self._api.create(CONFIG_MAP, namespace, wanted)
        except Conflict:
            # Where the first answer got lost, what is there is what was to be written.
            found = self._api.get(CONFIG_MAP, namespace, name)
            self._remember(namespace, name, None)
            if found is None or part(found, "data").get(_KEY) != document:
                raise
            written = found
        self._remember(namespace, name, written)

    def _remember(self, namespace: str, name: str, found: Manifest | None) -> None:
        with self._lock:
            if found is None:
                self._versions.pop((namespace, name), None)
            else:
                self._versions[namespace, name] = str(found["metadata"]["resourceVersion"])
