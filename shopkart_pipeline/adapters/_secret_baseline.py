"""A baseline: secrets that a repository had before it was searched, as a gitleaks report in JSON that lies in it.

A baseline accepts nothing that a release brings along, whatever entries come with it. A secret is accepted if the
baseline names its rule and its file, and the base of the release had it: the very lines in the same file of the base's
tree. Lines may move, another secret may not take the place. Without a base nothing is accepted.

What is accepted is found all the same, and told: it is not new. Whether a gate lets it pass is for the declaration to
say (`only_new`). The report should be made with `--redact`: secrets in it are not read, but stand in the repository.
"""

from collections.abc import Set
from dataclasses import dataclass, field

from pydantic import BaseModel, Field, TypeAdapter

from shopkart_pipeline.adapters._findings import SourceLines
from shopkart_pipeline.adapters._report_limits import Many, why
from shopkart_pipeline.adapters._repository_files import read_named_file
from shopkart_pipeline.ports.scanner import ScanRequest


class _Entry(BaseModel):
    rule: str = Field(alias="RuleID")
    file: str = Field(alias="File")


_REPORT = TypeAdapter(Many[_Entry])


@dataclass(frozen=True)
class Baseline:
    """What is accepted; nothing where it is empty."""

    name: str = ""
    entries: Set[tuple[str, str]] = frozenset()
    """Rule and file, relative to the repository's root."""
    base: SourceLines | None = None
    _lines: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def accepts(self, rule: str, path: str, text: str) -> bool:
        """Whether a secret was there before.

        Args:
            rule: what found it.
            path: the file that it stands in.
            text: the lines that hold it, without their outer white space.
        """
        if self.base is None or not text or (rule, path) not in self.entries:
            return False
        if path not in self._lines:
            self._lines[path] = tuple(line.strip() for line in self.base.of(path))
        lines, held = self._lines[path], tuple(text.split("\n"))
        return any(lines[start : start + len(held)] == held for start, line in enumerate(lines) if line == held[0])


def read_baseline(request: ScanRequest) -> Baseline:
    """The baseline that the stage names with its option `baseline`, relative to the repository's root.

    Raises:
        ValueError: it can't be read.
    """
    name = request.stage.options.get("baseline")
    if name is None:
        return Baseline()
    content = read_named_file(request.tree, name)
    try:
        entries = frozenset((entry.rule, entry.file.removeprefix("./")) for entry in _REPORT.validate_json(content))
    except ValueError as error:
        raise ValueError(f"{name} is no report of gitleaks: {why(error)}") from error
    return Baseline(name, entries, None if request.base_tree is None else SourceLines(request.base_tree))
