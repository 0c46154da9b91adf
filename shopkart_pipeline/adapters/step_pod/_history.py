"""What a repository's history says, told beforehand: a pod has the trees, and no repository."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from shopkart_pipeline.adapters import _test_list as test_list
from shopkart_pipeline.adapters.step_pod.documents import History
from shopkart_pipeline.domain.declaration import Source
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.domain.release import Commit
from shopkart_pipeline.ports.scanner import EARLIER_TESTS, ScanRequest
from shopkart_pipeline.ports.scm import ChangedFile, SourceControl


def history_of(scm: SourceControl, request: ScanRequest) -> History:
    """All that a tool that runs the project's code asks of the history."""
    source, sha = request.service.source, request.release.sha
    lines, lines_unknown, changed, changed_unknown = dict[str, tuple[int, ...]](), "", tuple[str, ...](), ""
    try:
        found = scm.changed_lines(source, request.base_commit, sha)
        lines = {path: tuple(sorted(numbers)) for path, numbers in sorted(found.items())}
    except PipelineError as error:
        lines_unknown = error.what
    earlier = _earlier_commit(request)
    try:
        if earlier:
            scm.fetch(source, earlier)
            changed = scm.changed_paths(source, earlier, sha)
    except PipelineError as error:
        changed_unknown = error.what
    return History(lines, lines_unknown, earlier, changed, changed_unknown)


def _earlier_commit(request: ScanRequest) -> str:
    file = request.reports.get(EARLIER_TESTS)
    if file is None:
        return ""
    try:
        return test_list.read(file.read_bytes()).commit
    except (ValueError, OSError):
        return ""  # The tool says so where it needs it.


class ToldHistory(SourceControl):
    """Answers what was told, and nothing else."""

    def __init__(self, history: History) -> None:
        self._history = history

    def fetch(self, source: Source, sha: str, reference: str | None = None) -> None:
        if sha != self._history.earlier or self._history.changed_unknown:
            raise ToolUnavailable(self._history.changed_unknown or "The commit is not known here.", "")

    def changed_paths(self, source: Source, base: str | None, sha: str) -> tuple[str, ...]:
        return self._history.changed

    def changed_lines(self, source: Source, base: str | None, sha: str) -> Mapping[str, frozenset[int]]:
        if self._history.lines_unknown:
            raise ToolUnavailable(self._history.lines_unknown, "")
        return {path: frozenset(numbers) for path, numbers in self._history.lines.items()}

    def head(self, source: Source) -> str:
        self._refuse()

    def commit(self, source: Source, sha: str) -> Commit:
        self._refuse()

    def commits(self, source: Source, base: str | None, sha: str) -> tuple[Commit, ...]:
        self._refuse()

    def first_parents(self, source: Source, base: str | None, sha: str) -> tuple[Commit, ...]:
        self._refuse()

    def merge_base(self, source: Source, one: str, other: str) -> str | None:
        self._refuse()

    def export(self, source: Source, sha: str, destination: Path) -> None:
        self._refuse()

    def read_file(self, source: Source, sha: str, path: str) -> bytes | None:
        self._refuse()

    def files_of_commits(self, source: Source, base: str | None, sha: str) -> Iterator[ChangedFile]:
        self._refuse()

    def tree_digest(self, source: Source, sha: str, paths: tuple[str, ...], *, surrounding: bool = False) -> str:
        self._refuse()

    def history_digest(self, source: Source, base: str | None, sha: str) -> str:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ToolUnavailable("A stage in a pod of its own has no repository.", "Let this stage run in its run's pod.")
