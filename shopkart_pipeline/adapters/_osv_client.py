"""A client of an advisory service in OSV's protocol.

Which advisories concern a version is the service's word; what they say is read from the advisories themselves, each
kept in a folder until the service tells of a newer one. Either everything is answered or nothing counts. With the
packages the service is asked about one of each ecosystem that is known to be vulnerable: where it knows nothing of
that it knows nothing, and its silence says nothing.

Source: OSV's API, `POST /v1/querybatch` (at most 1,000 queries, `next_page_token`) and `GET /v1/vulns/ID`.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ValidationError

from shopkart_pipeline.adapters._advisories import Vulnerability, warnings
from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.adapters._http import Ask, HttpClient
from shopkart_pipeline.adapters._osv_documents import Advisory, Affected
from shopkart_pipeline.adapters._packages import Ecosystem, Package, canonical_name, installed_version
from shopkart_pipeline.adapters._report_limits import why

_BATCH = 1000
_MOST_PAGES = 100
_MOST_ADVISORIES = 5_000
_CONNECTIONS = 8
_KNOWN = (
    Package("jinja2", "2.4.1"),
    Package("minimist", "0.0.8", ecosystem=Ecosystem.NPM),
)
"""Packages with vulnerabilities that every service has known for years."""

_Model = TypeVar("_Model", bound=BaseModel)


class _Named(BaseModel):
    id: str
    modified: AwareDatetime


class _Result(BaseModel):
    vulns: list[_Named] = []
    next_page_token: str | None = None


class _Answer(BaseModel):
    results: list[_Result]


class OsvClient:
    """The service, for one scan: whoever asks has `timeout_seconds` for all of it."""

    def __init__(self, address: str, cache: Path, timeout_seconds: float) -> None:
        self._client = HttpClient("the advisory service", address, environment=True)
        self._cache = cache
        self._deadline_seconds = time.monotonic() + timeout_seconds

    def close(self) -> None:
        self._client.close()

    def vulnerabilities(self, packages: Sequence[Package]) -> list[Vulnerability]:
        """What the service warns of.

        Raises:
            PipelineError: it does not answer, or refuses.
            ValueError: it answers something else than it was asked, or knows nothing.
        """
        ecosystems = {package.ecosystem for package in packages}
        checks = [package for package in _KNOWN if package.ecosystem in ecosystems]
        named = self._named([*packages, *checks])
        for check, said in zip(checks, named[len(packages) :], strict=True):
            if not said:
                reason = f"the advisory service warns of nothing in {check.name} {check.version} of {check.ecosystem}"
                raise ValueError(f"{reason}: it knows no advisories")
        concerned = list(zip(packages, named[: len(packages)], strict=True))
        wanted = {one.id: one for _, said in concerned for one in said}
        advisories = self._advisories(wanted)
        return [
            vulnerability
            for package, said in concerned
            for vulnerability in _warnings(package, [advisories[one.id] for one in said])
        ]

    def _named(self, packages: Sequence[Package]) -> list[list[_Named]]:
        """The advisories that concern each package, by their names."""
        found: list[list[_Named]] = [[] for _ in packages]
        for start in range(0, len(packages), _BATCH):
            places = list(range(start, min(start + _BATCH, len(packages))))
            tokens: dict[int, str] = {}
            for _ in range(_MOST_PAGES):
                results = self._batch([_query(packages[place], tokens.get(place)) for place in places])
                for place, result in zip(places, results, strict=True):
                    found[place] += result.vulns
                tokens = {
                    place: result.next_page_token
                    for place, result in zip(places, results, strict=True)
                    if result.next_page_token
                }
                places = list(tokens)
                if not places:
                    break
            else:
                raise ValueError(f"the advisory service has no end after {_MOST_PAGES} pages")
        return found

    def _batch(self, queries: Sequence[Mapping[str, object]]) -> list[_Result]:
        body = json.dumps({"queries": queries}).encode()
        headers = {"Content-Type": "application/json"}
        results = _read(_Answer, self._ask("POST", "/v1/querybatch", headers=headers, body=body)).results
        if len(results) != len(queries):
            raise ValueError(f"the advisory service gave {len(results)} answers to {len(queries)} questions")
        return results

    def _advisories(self, wanted: Mapping[str, _Named]) -> dict[str, Advisory]:
        if len(wanted) > _MOST_ADVISORIES:
            raise ValueError(f"the advisory service names {len(wanted)} advisories, more than can be meant")
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            return dict(zip(wanted, pool.map(self._advisory, wanted.values()), strict=True))

    def _advisory(self, named: _Named) -> Advisory:
        """One advisory: the one that was kept, if it is as new as the service says."""
        kept = self._cache / f"{hashlib.sha256(named.id.encode()).hexdigest()}.json"
        with contextlib.suppress(OSError, ValueError):
            advisory = Advisory.model_validate_json(kept.read_bytes())
            if (advisory.id, advisory.modified) == (named.id, named.modified):
                return advisory
        content = self._ask("GET", f"/v1/vulns/{quote(named.id, safe='')}")
        advisory = _read(Advisory, content)
        if advisory.id != named.id:
            raise ValueError(f"the advisory service answered {advisory.id[:60]!r} when asked for {named.id[:60]!r}")
        with contextlib.suppress(OSError):
            write_atomically(kept, content)
        return advisory

    def _ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> bytes:
        left_seconds = max(0.01, self._deadline_seconds - time.monotonic())
        return self._client.ask(Ask(method, path, headers=headers, body=body, timeout_seconds=left_seconds)).content


def _read(model: type[_Model], content: bytes) -> _Model:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise ValueError(f"what the advisory service answered can't be read: {why(error)}") from error


def _query(package: Package, token: str | None) -> dict[str, object]:
    query: dict[str, object] = {
        "package": {"name": package.name, "ecosystem": package.ecosystem.value},
        "version": str(installed_version(package)),
    }
    return {**query, "page_token": token} if token else query


def _warnings(package: Package, advisories: Sequence[Advisory]) -> list[Vulnerability]:
    """What advisories say about the package; where one does not name it, the service's word counts all the same."""
    hits = [
        (advisory, affected)
        for advisory in advisories
        if advisory.withdrawn is None
        for affected in [one for one in advisory.affected if _is_about(one, package)] or [Affected()]
    ]
    return warnings(package, hits)


def _is_about(affected: Affected, package: Package) -> bool:
    told = affected.package
    return (
        told is not None
        and told.ecosystem.partition(":")[0] == package.ecosystem
        and canonical_name(package.ecosystem, told.name) == package.name
    )
