"""A registry that speaks npm's bulk advisory protocol, for the real npm to ask.

It knows of the advisories that it is given, and of the one that shows whether a registry knows anything. What npm wants
to hear of newer versions (`GET /NAME`) is made from the versions that the advisories name as fixed.
"""

import gzip
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from shopkart_pipeline_tests.fakes.servers import JsonHandler, served

KNOWN = {
    "id": 1096549,
    "url": "https://github.com/advisories/GHSA-xvch-5gv4-984h",
    "title": "Prototype Pollution in minimist",
    "severity": "critical",
    "vulnerable_versions": "<0.2.4",
    "cwe": ["CWE-1321"],
    "cvss": {"score": 9.8, "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},
}
SEVERITIES = {"LOW": "low", "MODERATE": "moderate", "HIGH": "high", "CRITICAL": "critical"}


@contextmanager
def npm_registry(
    *advisories: Mapping[str, Any],
    empty: bool = False,
    manifests: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> Generator[str]:
    """A registry that knows of OSV advisories.

    Args:
        advisories: in OSV format; those of npm count.
        empty: it answers as if no package had any, as a registry does that only claims to know.
        manifests: versions of packages by name, as `package.json` has them, from old to new.
    """
    by_name: dict[str, list[Mapping[str, Any]]] = {} if empty else {"minimist": [KNOWN]}
    for number, advisory in enumerate(() if empty else advisories):
        for affected in advisory["affected"]:
            if affected["package"]["ecosystem"] == "npm":
                by_name.setdefault(affected["package"]["name"], []).append(_entry(number, advisory, affected))

    class Registry(JsonHandler):
        def do_POST(self) -> None:
            content = self.body()
            if self.headers["Content-Encoding"] == "gzip":
                content = gzip.decompress(content)
            asked = json.loads(content)
            answer = {name: by_name[name] for name in asked if name in by_name}
            known = self.path == "/-/npm/v1/security/advisories/bulk"
            self.answer(200 if known else 404, json.dumps(answer if known else {}).encode())

        def do_GET(self) -> None:
            name = unquote(self.path.partition("?")[0])[1:]
            versions = {one["version"]: {"name": name, **one} for one in (manifests or {}).get(name, ())}
            latest = {"latest": next(reversed(versions))} if versions else {}
            document = {"name": name, "dist-tags": latest, "versions": versions}
            self.answer(200 if versions else 404, json.dumps(document).encode())

    with served(Registry) as address:
        yield address


def _entry(number: int, advisory: Mapping[str, Any], affected: Mapping[str, Any]) -> dict[str, Any]:
    """An advisory as the registry tells it."""
    word = advisory.get("database_specific", {}).get("severity", "HIGH")
    return {
        "id": 2_000_000 + number,
        "url": f"https://github.com/advisories/{advisory['id']}",
        "title": advisory["summary"],
        "severity": SEVERITIES[word],
        "vulnerable_versions": " || ".join(_range(one["events"]) for one in affected["ranges"]),
        "cwe": [],
        "cvss": {"score": 0, "vectorString": None},
    }


def _range(events: Sequence[Mapping[str, str]]) -> str:
    signs = {"introduced": ">=", "fixed": "<", "last_affected": "<="}
    bounds = [f"{signs[kind]}{version}" for event in events for kind, version in event.items() if version != "0"]
    return " ".join(bounds) or "*"
