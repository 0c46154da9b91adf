"""Watches: what is there, then every change, as lines of JSON, until the client's timeout or its patience ends.

A watch from a version that is forgotten is answered with an `ERROR` event (410 Expired) in a stream of 200, as the real
watch cache does. An object that begins or ends to match a selector is shown as added or deleted."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import StreamingResponse

from shopkart_pipeline_tests.fakes.kubernetes_server.call import Call
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document, expired
from shopkart_pipeline_tests.fakes.kubernetes_server.selectors import fields_match, labels_match
from shopkart_pipeline_tests.fakes.kubernetes_server.store import Change

_LONGEST_SECONDS = 1800.0


class _Watch:
    """One watch."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self._labels = labels_match(call.query.get("labelSelector", ""))
        self._fields = fields_match(call.query.get("fieldSelector", ""), call.resource)
        self.bookmarks = call.asks("allowWatchBookmarks")
        self.version = 0

    def fits(self, document: Document) -> bool:
        metadata, call = document["metadata"], self.call
        here = call.namespace in ("", metadata.get("namespace", "")) and call.name in ("", metadata["name"])
        return here and self._labels(metadata.get("labels", {})) and self._fields(document)

    def start(self) -> list[Document]:
        """The first events."""
        store, query = self.call.world.store, self.call.query
        asked = query.get("resourceVersion", "")
        if asked in ("", "0") or self.call.asks("sendInitialEvents"):
            self.version = store.version
            events = [_event("ADDED", each) for each in store.all(self.call.resource) if self.fits(each)]
            if self.call.asks("sendInitialEvents"):
                events.append(self.bookmark({"k8s.io/initial-events-end": "true"}))
            return events
        self.version = int(asked)
        if self.version < store.compacted:
            refusal = expired(f"too old resource version: {asked} ({store.compacted})")
            return [_event("ERROR", refusal.document)]
        return []

    def bookmark(self, annotations: Document | None = None) -> Document:
        resource = self.call.resource
        metadata = {"resourceVersion": str(self.version), "creationTimestamp": None}
        metadata |= {"annotations": annotations} if annotations else {}
        return _event("BOOKMARK", {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata})

    def news(self) -> list[Document]:
        """What happened since the last look."""
        store = self.call.world.store
        changes = store.changes_since(self.version, self.call.resource)
        self.version = store.version
        return [event for event in map(self._shown, changes) if event is not None]

    def _shown(self, change: Change) -> Document | None:
        before = change.before is not None and self.fits(change.before)
        after = change.type != "DELETED" and self.fits(change.document)
        if before and after:
            return _event("MODIFIED", change.document)
        if after:
            return _event("ADDED", change.document)
        return _event("DELETED", change.document) if before else None


def stream(call: Call, abort: Callable[[], None]) -> StreamingResponse:
    """The answer to a watch; `abort` cuts its connection off."""
    return StreamingResponse(_lines(_Watch(call), abort), media_type="application/json")


async def _lines(watch: _Watch, abort: Callable[[], None]) -> AsyncIterator[bytes]:
    world, loop, news = watch.call.world, asyncio.get_running_loop(), asyncio.Event()
    seconds = float(watch.call.query.get("timeoutSeconds", 0) or _LONGEST_SECONDS)
    ends, marked = loop.time() + seconds, loop.time()
    listen, cuts = _listener(loop, news), world.watches_cut
    with world.lock:
        world.store.listeners.append(listen)
        first = watch.start()
    try:
        yield b"".join(map(_line, first))
        if first and first[-1]["type"] == "ERROR":
            return
        while loop.time() < ends and not world.memory.get("shut down"):
            if world.watches_cut != cuts:
                abort()
                return
            news.clear()
            with world.lock:
                events = watch.news()
            if watch.bookmarks and loop.time() - marked >= world.pace.bookmark:
                marked = loop.time()
                events.append(watch.bookmark())
            if events:
                yield b"".join(map(_line, events))
            pause = min(ends - loop.time(), world.pace.bookmark, 0.25)
            try:
                await asyncio.wait_for(news.wait(), max(pause, 0))
            except TimeoutError:
                continue
        if watch.bookmarks:
            yield _line(watch.bookmark())
    finally:
        with world.lock:
            world.store.listeners.remove(listen)


def _listener(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> Any:
    def listen() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(news.set)

    return listen


def _event(kind: str, document: Document) -> Document:
    return {"type": kind, "object": document}


def _line(event: Document) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"
