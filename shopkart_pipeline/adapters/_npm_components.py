"""npm packages in an image: every `package.json` in a `node_modules`, with the packages that it finds from there.

What a package needs is looked for as Node.js does: in its own `node_modules`, then in those above it. The hidden lock
that npm leaves in `node_modules` says which archive was installed there.

Sources: npm's documentation, package.json and package-lock.json; Node.js, "Loading from node_modules folders".
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from packageurl import PackageURL
from pydantic import BaseModel, ValidationError

from shopkart_pipeline.adapters._found_components import Findings, Found, is_package, place_of
from shopkart_pipeline.adapters._image_tree import KeptFile
from shopkart_pipeline.adapters._licences import LicenceManifest
from shopkart_pipeline.adapters._packages import Ecosystem
from shopkart_pipeline.domain.component import Component, PackageVersion

_FOLDER, _MANIFEST, _LOCK = "node_modules", "package.json", ".package-lock.json"
_ALGORITHMS = {"sha512": "sha512", "sha384": "sha384", "sha256": "sha256", "sha1": "sha1"}


class _Manifest(BaseModel):
    name: str
    version: str
    dependencies: dict[str, Any] = {}
    optionalDependencies: dict[str, Any] = {}


class _Locked(BaseModel):
    integrity: str = ""


class _Lock(BaseModel):
    packages: dict[str, _Locked] = {}


def is_npm_file(path: str) -> bool:
    """Whether a file tells of installed npm packages."""
    parts = path.split("/")
    if parts[-1] == _LOCK:
        return parts[-2:-1] == [_FOLDER]
    if parts[-1] != _MANIFEST or len(parts) < 3:
        return False
    return parts[-3] == _FOLDER or (len(parts) > 3 and parts[-3].startswith("@") and parts[-4] == _FOLDER)


def npm_components(files: Iterable[KeptFile]) -> tuple[list[Component], tuple[str, ...]]:
    """The packages that these files tell of, and what can't be told."""
    findings, hashes = Findings(), dict[str, tuple[str, ...]]()
    for file in files:
        if file.path.endswith(f"/{_LOCK}") or file.path == f"{_FOLDER}/{_LOCK}":
            hashes |= _hashes(file)
            continue
        one = _found(file)
        if one is None:
            findings.unreadable.append(file.path)
        elif one.component.package.version:
            findings.found.append(one)
    return list(_complete(findings.found, hashes)), findings.note("npm")


def _found(file: KeptFile) -> Found | None:
    if file.content is None:
        return None
    try:
        manifest = _Manifest.model_validate_json(file.content)
    except ValidationError:
        return None
    if not is_package(manifest.name, manifest.version):
        return None
    try:
        said, expression = LicenceManifest.model_validate_json(file.content).said()
    except ValidationError:
        said, expression = "", None
    scope, _, name = manifest.name.rpartition("/")
    component = Component(
        PackageVersion(Ecosystem.NPM.value, manifest.name, manifest.version),
        PackageURL("npm", scope or None, name, manifest.version).to_string(),
        (place_of(file),),
        expression,
        said,
    )
    wants = {**manifest.dependencies, **manifest.optionalDependencies}
    return Found(component, str(PurePosixPath(file.path).parent), tuple(wants))


def _hashes(file: KeptFile) -> dict[str, tuple[str, ...]]:
    """What npm says it installed, by folder; nothing where it can't be read: hashes are an addition."""
    try:
        lock = _Lock.model_validate_json(file.content or b"")
    except ValidationError:
        return {}
    root = file.path.removesuffix(f"{_FOLDER}/{_LOCK}")
    return {f"{root}{place}": tuple(_read(entry.integrity)) for place, entry in lock.packages.items()}


def _read(integrity: str) -> Iterator[str]:
    for text in integrity.split():
        algorithm, _, value = text.partition("-")
        try:
            digest = base64.b64decode(value, validate=True)
        except binascii.Error:
            continue
        if algorithm in _ALGORITHMS:
            yield f"{algorithm}:{digest.hex()}"


def _complete(found: list[Found], hashes: Mapping[str, tuple[str, ...]]) -> Iterator[Component]:
    by_folder = {one.site: one.component.purl for one in found}
    for one in found:
        needs = {purl for name in one.wants if (purl := _resolved(one.site, name, by_folder)) is not None}
        yield replace(one.component, hashes=hashes.get(one.site, ()), needs=tuple(sorted(needs)))


def _resolved(folder: str, name: str, by_folder: Mapping[str, str]) -> str | None:
    parts = folder.split("/")
    for end in range(len(parts), -1, -1):
        if parts[end - 1 : end] != [_FOLDER]:
            purl = by_folder.get("/".join((*parts[:end], _FOLDER, name)))
            if purl is not None:
                return purl
    return None
