"""A vulnerability database for the real trivy, made by hand: none can be fetched where tests run.

The file is of the format of bbolt: two pages of metadata, a page of free pages, then one page for each bucket, which
may run over several. Buckets hold buckets or JSON. What trivy looks up is `SOURCE -> package -> vulnerability` and the
details of the vulnerability.

Sources: bbolt, `page.go` and `node.go`; trivy-db, schema 2.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

_PAGE_BYTES = 4096
_LEAF, _META, _FREE = 0x02, 0x04, 0x10
_IS_BUCKET = 1
_MAGIC, _VERSION = 0xED0CDAED, 2

PIP = "pip::GitHub Security Advisory pip"
NPM = "npm::GitHub Security Advisory npm"
DEBIAN = "debian 12"
STARLETTE, LODASH, GLIBC, NO_FIX = "CVE-2024-47874", "CVE-2021-23337", "CVE-2024-2961", "CVE-2019-1010022"


@dataclass(frozen=True)
class Document:
    """A value that is no bucket."""

    content: Any


TREE: Mapping[str, Any] = {
    "vulnerability": {
        STARLETTE: Document({"Title": "Starlette Denial of service (DoS) via multipart/form-data", "Severity": "HIGH"}),
        LODASH: Document({"Title": "nodejs-lodash: command injection via template", "Severity": "HIGH"}),
        GLIBC: Document({"Title": "glibc: Out of bounds write in iconv", "Severity": "CRITICAL"}),
        NO_FIX: Document({"Title": "glibc: stack guard protection bypass", "Severity": "LOW"}),
    },
    "data-source": {
        PIP: Document({"ID": "ghsa", "Name": "GitHub Security Advisory pip", "URL": "https://github.com/advisories"}),
        NPM: Document({"ID": "ghsa", "Name": "GitHub Security Advisory npm", "URL": "https://github.com/advisories"}),
        DEBIAN: Document({"ID": "debian", "Name": "Debian Security Tracker", "URL": "https://www.debian.org/security"}),
    },
    PIP: {
        "starlette": {
            STARLETTE: Document(
                {"PatchedVersions": ["0.40.0"], "VulnerableVersions": ["<0.40.0"], "VendorIDs": ["GHSA-f96h-pmfr-66vw"]}
            )
        }
    },
    NPM: {"lodash": {LODASH: Document({"PatchedVersions": ["4.17.21"], "VulnerableVersions": ["<4.17.21"]})}},
    DEBIAN: {"glibc": {GLIBC: Document({"FixedVersion": "2.36-9+deb12u6"}), NO_FIX: Document({"Severity": 1})}},
}


def write_database(cache: Path, updated_at: datetime, next_update: datetime | None = None) -> Path:
    """Put the database into trivy's cache folder, as if it had been built then and fetched an hour later."""
    write_metadata(cache, updated_at, next_update)
    (cache / "db" / "trivy.db").write_bytes(_bbolt(TREE))
    return cache


def write_metadata(cache: Path, updated_at: datetime, next_update: datetime | None = None) -> Path:
    """Only what tells of its dates."""
    folder = cache / "db"
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {
        "Version": 2,
        "NextUpdate": (next_update or updated_at + timedelta(days=1)).isoformat(),
        "UpdatedAt": updated_at.isoformat(),
        "DownloadedAt": (updated_at + timedelta(hours=1)).isoformat(),
    }
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return cache


def _bbolt(tree: Mapping[str, Any]) -> bytes:
    pages: list[bytes] = []
    root = _write_bucket(tree, pages)
    end = 3 + len(pages)
    free = struct.pack("<QHHI", 2, _FREE, 0, 0)
    return b"".join([*(_meta(number, root, end) for number in (0, 1)), free.ljust(_PAGE_BYTES, b"\0"), *pages])


def _write_bucket(tree: Mapping[str, Any], pages: list[bytes]) -> int:
    """Append the pages of a bucket and of those in it; the number of its own first page."""
    elements: list[tuple[bytes, int, bytes]] = []
    for key, value in tree.items():
        if isinstance(value, Document):
            elements.append((key.encode(), 0, json.dumps(value.content).encode()))
        else:
            elements.append((key.encode(), _IS_BUCKET, struct.pack("<QQ", _write_bucket(value, pages), 0)))
    number = 3 + len(pages)
    heads, data = b"", b""
    for place, (key, flags, value) in enumerate(sorted(elements)):
        # Positions count from the element's own head.
        position = (len(elements) - place) * 16 + len(data)
        heads += struct.pack("<IIII", flags, position, len(key), len(value))
        data += key + value
    more = (16 + len(heads) + len(data) - 1) // _PAGE_BYTES
    content = struct.pack("<QHHI", number, _LEAF, len(elements), more) + heads + data
    content = content.ljust((more + 1) * _PAGE_BYTES, b"\0")
    pages += [content[start : start + _PAGE_BYTES] for start in range(0, len(content), _PAGE_BYTES)]
    return number


def _meta(number: int, root: int, end: int) -> bytes:
    content = struct.pack("<IIIIQQQQQ", _MAGIC, _VERSION, _PAGE_BYTES, 0, root, 0, 2, end, number)
    checked = content + struct.pack("<Q", _fnv(content))
    return (struct.pack("<QHHI", number, _META, 0, 0) + checked).ljust(_PAGE_BYTES, b"\0")


def _fnv(content: bytes) -> int:
    """FNV-1a of 64 bits."""
    value = 0xCBF29CE484222325
    for byte in content:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value
