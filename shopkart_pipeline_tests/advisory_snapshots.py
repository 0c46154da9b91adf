"""Small advisory snapshots, for tests of dependency and image scans."""

import json
from collections.abc import Mapping
from typing import Any

TAKEN_AT = "2025-03-01T12:00:00Z"


def an_advisory(name: str = "GHSA-0000-0000-0001", package: str = "starlette", **details: Any) -> dict[str, Any]:
    """An advisory that `package` is vulnerable before 0.40.0, unless told otherwise."""
    events = details.pop("events", [{"introduced": "0"}, {"fixed": "0.40.0"}])
    affected = {
        "package": {"ecosystem": details.pop("ecosystem", "PyPI"), "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
        "versions": details.pop("versions", []),
    }
    return {"id": name, "summary": "Too much is read", "affected": [affected], **details}


def snapshot_files(*advisories: Mapping[str, Any], count: int | None = None) -> dict[str, str]:
    """The files of a snapshot below `advisories/`."""
    about = {"taken_at": TAKEN_AT, "source": "a test", "count": len(advisories) if count is None else count}
    files = {f"advisories/{number}.json": json.dumps(advisory) for number, advisory in enumerate(advisories)}
    return {"advisories/snapshot.json": json.dumps(about), **files}
