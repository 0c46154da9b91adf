"""Which file of the repository a test is from.

Some runners name the file; most name a class, whose dotted path is the path of the file for Python and the end of it
for Java and its like, and whose path is that of a folder for Go. A test whose file can't be told has none: that is for
the reader of the list to deal with.
"""

import re
from collections import defaultdict
from pathlib import Path, PurePosixPath

from shopkart_pipeline.adapters._service_paths import files_of, find_place
from shopkart_pipeline.adapters.junit import NODE_CLASS, TestCase
from shopkart_pipeline.domain.declaration import Source

GO_TEST = "_test.go"
"""How the files of tests end in Go, where a test is known by its folder."""
_SEPARATORS = re.compile(r"[.$/]+")


class TestFiles:
    """The files of a service, to look tests up in."""

    __test__ = False

    def __init__(self, source: Source, tree: Path) -> None:
        """
        Args:
            source: where the service lies.
            tree: root of the repository that the tests ran in.
        """
        self._source, self._tree = source, tree
        self._by_stem: dict[str, list[PurePosixPath]] = defaultdict(list)
        self._go_folders: set[str] = set()
        self._known: dict[str, str | None] = {}
        for name in files_of(source, tree, lambda name: "." in name):
            path = PurePosixPath(name)
            self._by_stem[path.stem].append(path)
            if name.endswith(GO_TEST):
                self._go_folders.add(path.parent.as_posix())

    def of(self, case: TestCase) -> str | None:
        """The test's file, or for Go its folder, relative to the root of the repository."""
        if case.own_file and (place := find_place(case.own_file, (self._source.path, "."), self._tree)):
            return place
        if case.class_name not in self._known:
            self._known[case.class_name] = self._of_class(case.class_name)
        return self._known[case.class_name]

    def _of_class(self, name: str) -> str | None:
        if name in ("", NODE_CLASS):
            return None
        if place := find_place(name, (self._source.path, "."), self._tree):
            return place
        parts = [part for part in _SEPARATORS.split(name) if part]
        for length in range(len(parts), 0, -1):
            wanted = tuple(parts[:length])
            found = [path for path in self._by_stem.get(wanted[-1], ()) if _ends_with(path, wanted)]
            if found:
                return min(found, key=self._strangeness).as_posix()
        return self._go_folder(name)

    def _strangeness(self, path: PurePosixPath) -> tuple[int, str]:
        """The service's own folder comes first, then what lies less deep."""
        own = self._source.path in (".", *(parent.as_posix() for parent in path.parents))
        return (len(path.parts) + (0 if own else 1000), path.as_posix())

    def _go_folder(self, name: str) -> str | None:
        parts = name.split("/")
        for start in range(len(parts)):
            ending = "/".join(parts[start:])
            found = sorted(folder for folder in self._go_folders if f"/{folder}".endswith(f"/{ending}"))
            if ending and found:
                return found[0]
        return None


def _ends_with(path: PurePosixPath, wanted: tuple[str, ...]) -> bool:
    stems = (*path.parts[:-1], path.stem)
    return stems[-len(wanted) :] == wanted
