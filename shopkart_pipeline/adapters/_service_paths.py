"""Which files of a repository belong to a service: its own folder and the shared ones."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from shopkart_pipeline.domain.declaration import Source

_TEST_FOLDERS = frozenset({"test", "tests", "__tests__"})
_JAVASCRIPT = re.compile(r".+(?<!\.d)\.([cm]?[jt]s|[jt]sx)")
_JAVASCRIPT_TEST = re.compile(r".+\.(test|spec)\.([cm]?[jt]s|[jt]sx)")
_JAVASCRIPT_CONFIGURATION = re.compile(r"(.+\.config|\..+rc)\.[cm]?[jt]s")


def roots_of(source: Source, tree: Path) -> tuple[str, ...]:
    """The service's folders that exist in `tree`, relative to it; none lies inside another."""
    declared = {os.path.normpath(path) for path in (source.path, *source.shared_paths)}
    return tuple(
        path
        for path in sorted(declared)
        if (tree / path).exists() and not any(path != other and is_below(path, other) for other in declared)
    )


def is_below(path: str, root: str) -> bool:
    """Whether a relative path is `root` or lies inside of it; everything lies inside of `.`."""
    return root == "." or path == root or path.startswith(f"{root}/")


def files_of(source: Source, tree: Path, wanted: Callable[[str], bool]) -> Iterator[str]:
    """Regular files of the service whose name is `wanted`, relative to `tree`, in a stable order. Links are not
    followed: what they lead to is looked at where it lies."""
    for root in roots_of(source, tree):
        for folder, folders, names in os.walk(tree / root):
            folders.sort()
            for name in sorted(names):
                file = Path(folder, name)
                if wanted(name) and file.is_file() and not file.is_symlink():
                    yield file.relative_to(tree).as_posix()


def find_place(name: str, folders: Iterable[str], tree: Path) -> str | None:
    """A file as a tool names it, as path of the repository; None where it leads to no file in there, whatever it is.

    Args:
        name: absolute, or relative to one of the folders.
        folders: relative to `tree`, or absolute; tried one after the other.
        tree: root of the repository.
    """
    root = os.path.realpath(tree)
    if "\0" in name:
        return None
    for folder in folders:
        place = os.path.realpath(os.path.join(root, folder, name))
        if place.startswith(root + os.sep) and os.path.isfile(place):
            return Path(place).relative_to(root).as_posix()
    return None


def is_python(name: str) -> bool:
    return name.endswith(".py")


def is_javascript(name: str) -> bool:
    """JavaScript and TypeScript, but for declarations of types."""
    return _JAVASCRIPT.fullmatch(name) is not None


def is_test_code(path: str) -> bool:
    """Tests and what only they use: not judged by rules for code that ships."""
    parts = PurePosixPath(path).parts
    name = parts[-1]
    in_tests = not _TEST_FOLDERS.isdisjoint(parts[:-1])
    return in_tests or name.startswith("test_") or name == "conftest.py" or bool(_JAVASCRIPT_TEST.fullmatch(name))


def is_tool_configuration(path: str) -> bool:
    """JavaScript that only tells a tool what to do, such as `eslint.config.mjs`, or is of an installed package."""
    parts = PurePosixPath(path).parts
    return "node_modules" in parts or _JAVASCRIPT_CONFIGURATION.fullmatch(parts[-1]) is not None
