"""The distribution protocol's server side in memory, to be put under an HTTP client as its transport."""

import json
from collections.abc import Iterator
from hashlib import sha256

import httpx

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


class FakeDistribution(httpx.BaseTransport):
    """A registry without rights, limits or immutable tags.

    `answers` may hold a response for a method and path, given once instead of the true one.

    Args:
        referrers_api: it finds by itself what names a subject, two to a page.
    """

    def __init__(self, *, referrers_api: bool = False) -> None:
        self.referrers_api = referrers_api
        self.subjects: dict[str, list[dict[str, object]]] = {}
        """What the referrers API lists, by subject."""
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        """By digest and by tag, for all repositories alike."""
        self.answers: dict[tuple[str, str], httpx.Response] = {}
        self.requests: list[httpx.Request] = []
        self.names_digests = True
        self.refuse_everything: httpx.Response | None = None
        self._next_names: dict[str, str] = {}
        self._named: dict[str, str] = {}

    def refuse_put(self, path: str, answer: httpx.Response, then_names: str | None = None) -> None:
        """Answer the next PUT so; after it, the path names `then_names`, as if another pusher had been faster."""
        self.answers["PUT", path] = answer
        if then_names is not None:
            self._next_names[path] = then_names

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        path = request.url.path
        scripted = self.refuse_everything or self.answers.pop((request.method, path), None)
        answer = scripted or self._answer(request, path)
        if request.method == "PUT" and path in self._next_names:
            self._named[path] = self._next_names.pop(path)
        content = b"" if request.method == "HEAD" else answer.content
        return httpx.Response(answer.status_code, headers=answer.headers, content=_unread(content))

    def _answer(self, request: httpx.Request, path: str) -> httpx.Response:
        _, kind, name = path.rsplit("/", 2)
        if path in self._named:
            return httpx.Response(200, headers={"Docker-Content-Digest": self._named[path]})
        match request.method, kind:
            case "POST", _:
                return httpx.Response(202, headers={"Location": f"{path}one?_state=open"})
            case "PUT", "uploads":
                digest = request.url.params["digest"]
                if f"sha256:{sha256(request.content).hexdigest()}" != digest:
                    return _error(400, "DIGEST_INVALID")
                self.blobs[digest] = request.content
                return httpx.Response(201)
            case "PUT", "manifests":
                return self._put_manifest(name, request.content)
            case "GET", "referrers" if self.referrers_api:
                start = int(request.url.params.get("start", "0"))
                listed = self.subjects.get(name, [])
                following = {"Link": f'<{path}?start={start + 2}>; rel="next"'} if len(listed) > start + 2 else {}
                index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": listed[start : start + 2]}
                return httpx.Response(200, content=json.dumps(index).encode(), headers=following)
            case (("GET" | "HEAD"), "manifests") if name in self.manifests:
                named = {"Docker-Content-Digest": _digest(self.manifests[name])} if self.names_digests else {}
                return httpx.Response(200, content=self.manifests[name], headers={"Content-Type": _MANIFEST, **named})
            case (("GET" | "HEAD"), "blobs") if name in self.blobs:
                return httpx.Response(200, content=self.blobs[name])
            case _:
                return _error(404, "NOT_FOUND")

    def _put_manifest(self, name: str, content: bytes) -> httpx.Response:
        manifest = json.loads(content)
        config = [manifest["config"]] if "config" in manifest else []
        if any(blob["digest"] not in self.blobs for blob in (*config, *manifest.get("layers", ()))):
            return _error(400, "MANIFEST_BLOB_UNKNOWN")
        self.manifests[name] = self.manifests[_digest(content)] = content
        if not self.referrers_api or "subject" not in manifest:
            return httpx.Response(201)
        subject = manifest["subject"]["digest"]
        described = {"mediaType": _MANIFEST, "digest": _digest(content), "size": len(content)}
        self.subjects.setdefault(subject, []).append({**described, "artifactType": manifest["artifactType"]})
        return httpx.Response(201, headers={"OCI-Subject": subject})


def _digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def _error(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"errors": [{"code": code, "message": "as the name says"}]})


def _unread(content: bytes) -> Iterator[bytes]:
    yield content
