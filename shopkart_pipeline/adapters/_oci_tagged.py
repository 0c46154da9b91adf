"""Documents of a registry that several write: read, changed, and written on the condition that nobody else did since.

The condition is the entity tag that the registry tells (RFC 9110, 13.1). Many registries ignore it, so whoever writes
reads again afterwards, and writers of one process take turns.

Rules: OCI distribution-spec 1.1, "Referrers Tag Schema".
"""

import threading
from collections import defaultdict

from shopkart_pipeline.adapters._http import Answer, Ask, HttpClient, HttpRefusal
from shopkart_pipeline.adapters._oci_documents import DOCUMENT_LIMIT_BYTES
from shopkart_pipeline.domain.errors import ToolUnavailable

WRITINGS = 5
"""How often a writer begins again."""
_DOCUMENT_SECONDS = 60.0
_turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def turn(repository: str, tag: str) -> threading.Lock:
    """Held by the one of this process that may write a tag."""
    return _turns[f"{repository}:{tag}"]


def read_document(client: HttpClient, repository: str, reference: str, kind: str) -> Answer | None:
    """A manifest or an index by its tag or digest, or None."""
    ask = Ask(
        "GET",
        f"/v2/{repository}/manifests/{reference}",
        accept=(200, 404),
        headers={"Accept": kind},
        limit_bytes=DOCUMENT_LIMIT_BYTES,
        timeout_seconds=_DOCUMENT_SECONDS,
    )
    answer = client.ask(ask)
    return None if answer.status == 404 else answer


def write_tagged(client: HttpClient, repository: str, tag: str, kind: str, body: bytes, held: Answer | None) -> None:
    """Write a tagged document, unless somebody else did since `held` was read.

    Raises `ToolUnavailable`, in words of its own where the registry keeps the tag from moving.
    """
    headers = {"Content-Type": kind}
    if held is None:
        headers["If-None-Match"] = "*"
    elif "etag" in held.headers:
        headers["If-Match"] = held.headers["etag"]
    path = f"/v2/{repository}/manifests/{tag}"
    try:
        # 412: somebody else wrote since; whoever reads again finds theirs.
        client.ask(Ask("PUT", path, accept=(201, 412), headers=headers, body=body, timeout_seconds=_DOCUMENT_SECONDS))
    except HttpRefusal as failure:
        if held is None or failure.status in (401, 403, 429) or failure.status >= 500:
            raise
        what = f"The registry does not let {repository}:{tag} be written again: {failure.what}"
        raise ToolUnavailable(what, f"Let this tag move; others need not. {failure.fix}") from failure
