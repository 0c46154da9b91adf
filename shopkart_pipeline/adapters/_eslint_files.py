"""Which JavaScript of a service is checked by which of eslint's flat configurations.

The configuration of a file is the one in its folder or the next one above it, within the service or in the repository's
root. Configurations of tools and installed packages are nobody's code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from shopkart_pipeline.adapters._service_paths import (
    files_of,
    is_below,
    is_javascript,
    is_tool_configuration,
    roots_of,
)
from shopkart_pipeline.domain.declaration import Source

_CONFIGURATIONS = tuple(f"eslint.config.{ending}" for ending in ("js", "mjs", "cjs", "ts", "mts", "cts"))


@dataclass(frozen=True)
class JavaScript:
    """A service's JavaScript and TypeScript."""

    by_configuration: Mapping[str, tuple[str, ...]]
    """By the folder of the configuration that they are checked with, relative to the root of the repository."""
    unconfigured: tuple[str, ...]


def javascript_of(source: Source, tree: Path) -> JavaScript:
    """The service's JavaScript in a tree."""
    groups: dict[str, list[str]] = {}
    unconfigured: list[str] = []
    for path in files_of(source, tree, is_javascript):
        if not is_tool_configuration(path):
            folder = _configured_folder(path, source, tree)
            (unconfigured if folder is None else groups.setdefault(folder, [])).append(path)
    return JavaScript({folder: tuple(paths) for folder, paths in groups.items()}, tuple(unconfigured))


def _configured_folder(path: str, source: Source, tree: Path) -> str | None:
    roots = roots_of(source, tree)
    for folder in (parent.as_posix() for parent in PurePosixPath(path).parents):
        is_ours = folder == "." or any(is_below(folder, root) for root in roots)
        if is_ours and any((tree / folder / name).is_file() for name in _CONFIGURATIONS):
            return folder
    return None
