"""Which locks of a service are judged, and what they name.

The option `lock` of the stage names them, relative to the service's path, separated by white space: each of them has
to be there, and no other is judged. Without it every lock with a usual name in the service's folder is, and there has
to be one. A lock that can't be read, or that names nothing, leaves no evidence; locks that are left out are named in a
note.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, JsonValue

from shopkart_pipeline.adapters._advisories import Index, vulnerabilities
from shopkart_pipeline.adapters._locked_packages import parse_lock
from shopkart_pipeline.adapters._package_lock import parse_package_lock
from shopkart_pipeline.adapters._packages import Ecosystem, Package
from shopkart_pipeline.adapters._service_paths import files_of
from shopkart_pipeline.adapters._vulnerability_evidence import fingerprints
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.ports.scanner import ScanRequest

_USUAL = {
    "requirements.lock": Ecosystem.PYPI,
    "npm-shrinkwrap.json": Ecosystem.NPM,
    "package-lock.json": Ecosystem.NPM,
}
_PARSERS: dict[Ecosystem, Callable[[str], tuple[Package, ...]]] = {
    Ecosystem.PYPI: parse_lock,
    Ecosystem.NPM: parse_package_lock,
}


class _Manifest(BaseModel):
    dependencies: dict[str, JsonValue] | None = None
    optionalDependencies: dict[str, JsonValue] | None = None


@dataclass(frozen=True)
class Locked:
    """What the locks of a service name."""

    packages: tuple[Package, ...]
    paths: tuple[str, ...]
    """The locks that were read, relative to the repository's root."""
    notes: tuple[str, ...] = ()

    def only(self, ecosystem: Ecosystem) -> "Locked":
        """What the locks of one ecosystem name."""
        packages = tuple(package for package in self.packages if package.ecosystem is ecosystem)
        return Locked(packages, tuple(path for path in self.paths if ecosystem_of(path) is ecosystem), self.notes)

    @property
    def ecosystems(self) -> frozenset[Ecosystem]:
        return frozenset(map(ecosystem_of, self.paths))


def ecosystem_of(path: str) -> Ecosystem:
    """Which ecosystem a lock belongs to, by its name: npm's end in `.json`."""
    return Ecosystem.NPM if path.endswith(".json") else Ecosystem.PYPI


def read_locks(request: ScanRequest, only: Ecosystem | None = None) -> Locked | EvidenceMissing:
    """Packages that the service's locks name.

    Args:
        request: what was asked for.
        only: the ecosystem that the tool can judge; a lock of another one leaves no evidence.
    """
    locked, problems = _read(request, request.tree)
    strange = [path for path in locked.paths if only not in (None, ecosystem_of(path))]
    if strange:
        problems += (
            f"{', '.join(strange)} can't be judged by this tool: name another, or declare the `lock` it is for",
        )
    if problems:
        return EvidenceMissing("; ".join(problems))
    return replace(locked, notes=_left_out(request, locked.paths))


def has_lock_to_read(request: ScanRequest) -> bool:
    """Whether there is a lock that has to be read: one that is declared, or one with a usual name."""
    return bool(request.stage.options.get("lock", "").split()) or any(
        os.path.lexists(request.service_tree / name) for name in _USUAL
    )


def read_base_locks(request: ScanRequest) -> Locked:
    """Packages that the locks of the base name, as far as they can be read; the notes say what can't."""
    if request.base_tree is None:
        return Locked((), ())
    locked, problems = _read(request, request.base_tree)
    return replace(locked, notes=tuple(more_is_new(problem) for problem in problems))


def more_is_new(problem: str) -> str:
    """The note about a base that could not be judged."""
    return f"More counts as new than is: of the base, {problem}."


def known_vulnerabilities(request: ScanRequest, index: Index) -> tuple[frozenset[str], tuple[str, ...]]:
    """Fingerprints of what the base's locks had, judged by the same advisories; and notes on what can't be read."""
    base = read_base_locks(request)
    try:
        return fingerprints(vulnerabilities(index, base.packages)), base.notes
    except ValueError as error:
        return frozenset(), (*base.notes, more_is_new(str(error)))


def _read(request: ScanRequest, tree: Path) -> tuple[Locked, tuple[str, ...]]:
    """What can be read of the locks, and why the rest can't."""
    paths, problem = _paths(request, tree)
    problems = [problem] if problem else []
    packages: list[Package] = []
    read: list[str] = []
    for path in paths:
        named = _packages(tree, path)
        if isinstance(named, str):
            problems.append(named)
        else:
            packages += named
            read.append(path)
    return Locked(tuple(packages), tuple(read)), tuple(problems)


def _paths(request: ScanRequest, tree: Path) -> tuple[Sequence[str], str]:
    """The locks to judge; and what is missing among them, in words."""
    folder = request.service.source.path
    declared = request.stage.options.get("lock", "").split()
    if declared:
        return list(dict.fromkeys(os.path.normpath(f"{folder}/{name}") for name in declared)), ""
    usual = [os.path.normpath(f"{folder}/{name}") for name in _USUAL]
    found = [path for path in usual if (tree / path).exists()]
    if not found:
        return found, f"{folder} has no lock: none of {', '.join(_USUAL)}"
    if not any(ecosystem_of(path) is Ecosystem.NPM for path in found) and _needs_npm(tree / folder):
        return found, f"{folder}/package.json has dependencies, but there is no package-lock.json"
    return found, ""


def _needs_npm(folder: Path) -> bool:
    """Whether npm installs anything for what ships; a manifest that can't be read says that it may."""
    file = folder / "package.json"
    if not file.is_file():
        return False
    try:
        manifest = _Manifest.model_validate_json(file.read_bytes())
    except (OSError, ValueError):
        return True
    return bool(manifest.dependencies or manifest.optionalDependencies)


def _packages(tree: Path, path: str) -> tuple[Package, ...] | str:
    """Packages of one lock, at least one; or why there are none."""
    file = tree / path
    if not file.resolve().is_relative_to(tree.resolve()):
        return f"{path} leads out of the repository"
    try:
        packages = _PARSERS[ecosystem_of(path)](file.read_text(encoding="utf-8"))
    except OSError as error:
        return f"{path} can't be read: {error.strerror}"
    except ValueError as error:
        return f"{path} can't be judged: {error}"
    return tuple(replace(package, path=path) for package in packages) or f"{path} names no package"


def _left_out(request: ScanRequest, judged: Sequence[str]) -> tuple[str, ...]:
    others = files_of(request.service.source, request.tree, lambda name: name in _USUAL)
    left = sorted(path for path in others if path not in judged and "/node_modules/" not in f"/{path}")
    return (f"Not judged, because the stage's `lock` does not name them: {', '.join(left)}.",) if left else ()
