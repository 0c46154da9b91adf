"""Requests to a cluster's API: plain dictionaries in and out, a few more tries, and errors that say what to do.

Every request may be sent again: what has to happen once only carries a `resourceVersion` or the name of something new,
and whoever sends it reads again when the answer is a conflict. So an answer that got lost, 429 and 5xx are followed by
another try, `Retry-After` seconds later where that is said; so is an apply that lost a race against others who wrote to
the same object, which is no conflict about its fields. A list that expired halfway (410) begins anew. Objects are
written by server-side apply as `shopkart`, strictly validated, and never by force: what somebody else owns is a
`Conflict` that names them.

Source: Kubernetes, "API Concepts" and "Server-Side Apply".
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any, cast

from urllib3.exceptions import HTTPError

from shopkart_pipeline.adapters.kubernetes.connection import Connection
from shopkart_pipeline.adapters.kubernetes.credentials import authorise
from shopkart_pipeline.adapters.kubernetes.documents import parts, text
from shopkart_pipeline.adapters.kubernetes.kinds import KINDS, POD, Kind, root_of
from shopkart_pipeline.adapters.kubernetes.names import FIELD_MANAGER, Manifest
from shopkart_pipeline.domain.errors import Conflict, NotFound, PipelineError, Refused, ToolUnavailable
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.ports.clock import Clock

_CONNECT_SECONDS, _READ_SECONDS = 5.0, 10.0
_TRIES = 5
_DEADLINE_SECONDS = 25.0
"""After which no further try begins."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 5.0
_PASSING = frozenset({429, 500, 502, 503, 504})
_PAGE = 500
_APPLY = "application/apply-patch+yaml"
_LONGEST_MESSAGE = 600


class KubernetesApi:
    """One cluster's API, in plain dictionaries.

    Args:
        connection: the way to it.
        clock: measures pauses and deadlines.
        read_seconds: how long an answer may take to begin.
    """

    def __init__(self, connection: Connection, clock: Clock, read_seconds: float = _READ_SECONDS) -> None:
        self._read_seconds = read_seconds
        self._connection = connection
        self._clock = clock
        self._kinds = dict(KINDS)

    def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """An object, or None."""
        try:
            return self._json("GET", kind.path(namespace, name))
        except NotFound:
            return None

    def list(self, kind: Kind, namespace: str, labels: str = "", fields: str = "") -> list[Manifest]:
        """All objects that the selectors fit."""
        chosen = {"labelSelector": labels, "fieldSelector": fields, "limit": str(_PAGE)}
        query = {name: value for name, value in chosen.items() if value}
        found: list[Manifest] = []
        restarted, following = False, ""
        while True:
            try:
                page = self._json("GET", kind.path(namespace), query | ({"continue": following} if following else {}))
            except _Expired:
                if restarted:
                    raise
                restarted, following, found = True, "", []
                continue
            found += parts(page, "items")
            following = text(page, "metadata", "continue")
            if not following:
                return found

    def apply(self, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        """Server-side apply; returns the object as it is then. Raises `Conflict` and `Refused`."""
        described = manifest["metadata"]
        path = self._kind_of(manifest).path(described["namespace"], described["name"])
        query = {"fieldManager": manager, "force": "false", "fieldValidation": "Strict"}
        return self._json("PATCH", path, query, manifest, _APPLY)

    def create(self, kind: Kind, namespace: str, document: Manifest) -> Manifest:
        """Make what is not there yet; raises `Conflict` where it is."""
        return self._json("POST", kind.path(namespace), {"fieldManager": FIELD_MANAGER}, document)

    def replace(self, kind: Kind, namespace: str, document: Manifest) -> Manifest:
        """Write an object as a whole; raises `Conflict` where its `resourceVersion` is not the newest."""
        path = kind.path(namespace, document["metadata"]["name"])
        return self._json("PUT", path, {"fieldManager": FIELD_MANAGER}, document)

    def delete(self, kind: Kind, namespace: str, name: str, *, version: str | None = None, whole: bool = False) -> None:
        """Delete an object; does nothing where it is gone.

        Args:
            kind: its kind.
            namespace: its namespace.
            name: its name.
            version: raises `Conflict` where it has another `resourceVersion` by now.
            whole: keep it until everything that belongs to it is gone too.
        """
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions"}
        options["propagationPolicy"] = "Foreground" if whole else "Background"
        if version is not None:
            options["preconditions"] = {"resourceVersion": version}
        try:
            self._json("DELETE", kind.path(namespace, name), {}, options)
        except NotFound:
            return

    def log(
        self, namespace: str, pod: str, lines: int, limit_bytes: int, *, previous: bool, container: str = ""
    ) -> str:
        """The end of a log, of the named container or of the only one; empty where there is none."""
        query = {"tailLines": str(lines), "limitBytes": str(limit_bytes), "previous": "true" if previous else "false"}
        query |= {"container": container} if container else {}
        try:
            return self._ask("GET", POD.path(namespace, pod, "log"), query, None, "application/json").decode(
                errors="replace"
            )
        except (NotFound, Refused):
            return ""

    def log_since(
        self, namespace: str, pod: str, container: str, since: datetime, limit_bytes: int, *, previous: bool = False
    ) -> bytes:
        """A container's log of a time, each line after the time at which it was written; asked for once, and not again.

        Raises:
            PipelineError: it can't be had.
        """
        query = {
            "container": container,
            "limitBytes": str(limit_bytes),
            "previous": "true" if previous else "false",
            "sinceTime": f"{since:%Y-%m-%dT%H:%M:%SZ}",
            "timestamps": "true",
        }
        path = POD.path(namespace, pod, "log")
        status, _, content = self._try("GET", path, query, None, "application/json")
        if status != 200:
            raise _failure("GET", path, status, content)
        return content

    def _kind_of(self, manifest: Manifest) -> Kind:
        """The kind of an object; what a team brings along is looked up in the API's own list."""
        version, kind = str(manifest["apiVersion"]), str(manifest["kind"])
        if (version, kind) not in self._kinds:
            for each in parts(self._json("GET", root_of(version)), "resources"):
                if each.get("kind") == kind and "/" not in text(each, "name") and each.get("namespaced"):
                    self._kinds[version, kind] = Kind(version, kind, text(each, "name"))
        try:
            return self._kinds[version, kind]
        except KeyError:
            raise Refused(
                f"The cluster keeps no {kind} of {version} in namespaces.",
                "Install what it belongs to, or leave it out.",
            ) from None

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        content = self._ask(method, path, query or {}, body, content_type)
        try:
            found: Any = json.loads(content)
        except ValueError:
            raise ToolUnavailable(
                f"The cluster answered {method} {path} with something that is no JSON.", "Look at what is before it."
            ) from None
        return cast(Manifest, found)

    def _ask(self, method: str, path: str, query: Mapping[str, str], body: Manifest | None, kind: str) -> bytes:
        until, pause, renewed = self._clock.now() + timedelta(seconds=_DEADLINE_SECONDS), _FIRST_PAUSE_SECONDS, False
        for left in reversed(range(_TRIES)):
            status, headers, content = self._try(method, path, query, body, kind)
            if 200 <= status < 300:
                return content
            if status == 401 and not renewed:
                self._connection.close()  # Its credentials did not count any more.
                renewed = True
                continue
            failure = _failure(method, path, status, content)
            wait = max(pause, _asked_pause(headers))
            raced = status == 409 and method == "PATCH" and "Apply failed" not in failure.what
            if status not in _PASSING and status != 0 and not raced:
                raise failure
            if left == 0 or self._clock.now() + timedelta(seconds=wait) > until:
                raise failure
            self._clock.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        raise ToolUnavailable(f"The cluster did not take our credentials for {method} {path}.", "Renew them.")

    def _try(
        self, method: str, path: str, query: Mapping[str, str], body: Manifest | None, kind: str
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status (0: none came), headers, content."""
        client = self._connection.client()
        told_of: Any = import_module("kubernetes.client.exceptions")
        headers = {**client.default_headers, "Accept": "application/json, */*", "Content-Type": kind}
        asked = list(query.items())
        authorise(client, headers)
        try:
            answer = client.rest_client.request(
                method,
                f"{client.configuration.host}{path}",
                query_params=asked,
                headers=headers,
                body=body,
                _request_timeout=(_CONNECT_SECONDS, self._read_seconds),
            )
            return int(answer.status), {}, bytes(answer.data)
        except told_of.ApiException as error:
            if not error.status:
                self._connection.close()  # TLS failed; certificates may have been replaced.
            content = bytes(error.body or str(error.reason).encode())
            headers = {str(name).lower(): str(value) for name, value in dict(error.headers or {}).items()}
            return int(error.status or 0), headers, content
        except (HTTPError, OSError) as error:
            return 0, {}, type(error).__name__.encode()


class _Expired(ToolUnavailable):
    """What was asked for by version is not kept any more."""


def _asked_pause(headers: Mapping[str, str]) -> float:
    asked = headers.get("retry-after", "")
    return min(float(asked), _LONGEST_PAUSE_SECONDS) if asked.isdecimal() else 0.0


def _failure(method: str, path: str, status: int, content: bytes) -> PipelineError:
    told = _message(content)
    what = f"The cluster answered {status} to {method} {path}: {told}"
    match status:
        case 0:
            return ToolUnavailable(
                f"The cluster does not answer {method} {path}: {told}.", "Check that it is reachable."
            )
        case 401:
            return ToolUnavailable(what, "Renew the credentials of the environment.")
        case 403 if " cannot " in told:
            return ToolUnavailable(what, "Grant that verb on that resource to whom it names (RBAC).")
        case 404:
            return NotFound(what, "Check the namespace, and that the cluster has this kind of object.")
        case 409:
            return Conflict(
                what,
                "Whoever it names changed that field: let them give it up, or declare their value. Nothing is forced.",
            )
        case 410:
            return _Expired(what, "Ask again.")
        case 400 | 403 | 405 | 413 | 415 | 422:
            return Refused(what, "Change what it complains about; asking again makes no difference.")
        case _:
            return ToolUnavailable(what, "Look at the cluster's API server.")


def _message(content: bytes) -> str:
    """The API's own words where it is a `Status`."""
    try:
        document: Any = json.loads(content)
        words = str(document["message"])
    except (ValueError, KeyError, TypeError):
        words = content.decode(errors="replace") or "nothing"
    return plain(words)[:_LONGEST_MESSAGE]
