"""Notices as documents in an outbox: the name of a kind, and JSON."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from shopkart_pipeline.domain.notice import CheckNotice, CommentNotice, DeploymentNotice, Notice, ScanNotice

_ADAPTERS: Mapping[str, TypeAdapter[Any]] = {
    kind.__name__: TypeAdapter(kind) for kind in (CheckNotice, DeploymentNotice, CommentNotice, ScanNotice)
}


def notice_document(notice: Notice) -> tuple[str, str]:
    """Its kind, and its document."""
    kind = type(notice).__name__
    return kind, _ADAPTERS[kind].dump_json(notice).decode()


def read_notice(kind: str, document: str) -> Notice:
    """The notice again."""
    notice: Notice = _ADAPTERS[kind].validate_json(document)
    return notice
