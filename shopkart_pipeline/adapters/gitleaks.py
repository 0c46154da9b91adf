"""Secrets found by gitleaks, in the tree and in the commits of a release.

Gitleaks gets the files of the tree and of the commits in a folder of their own, so that it looks at the same places
as the embedded search, whatever source control they come from; of a path it sees the file's name alone. Its own rules
leave out files by name that hold no secrets as a rule, such as lock files and pictures. It masks secrets in its report;
what could tell about them anyway is not kept. Rules come from `.gitleaks.toml` in the repository's root where there is
one; the notes say if the release changes them.

What is left out is told. A line marked `gitleaks:allow` is left out and counted. Secrets of a baseline are found, but
not new (`_secret_baseline`). `.gitleaksignore` is not read: it names lines by number.

Option of the stage: `baseline`, a gitleaks report in JSON, relative to the repository's root (no default).

Measures: `secrets`, `secrets_in_baseline` (counted in `secrets` too), `allowed`, `commits_scanned`, `files_scanned`,
`files_skipped`.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from shopkart_pipeline.adapters._gitleaks_program import GitleaksProgram, ReportedLeak, gitleaks_executable
from shopkart_pipeline.adapters._repository_files import digest_of_named_files, read_named_file
from shopkart_pipeline.adapters._secret_baseline import Baseline, read_baseline
from shopkart_pipeline.adapters._secret_findings import Leak, findings_of, places_of, report_of
from shopkart_pipeline.adapters._secret_scope import Place, SecretNames, SecretScope
from shopkart_pipeline.adapters._tool_identity import identity_of
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest
from shopkart_pipeline.ports.scm import SourceControl

_ABSENT = "gitleaks is not installed"
_RULES = ".gitleaks.toml"
_IGNORED = ".gitleaksignore"
_ALLOWED = "gitleaks:allow"
_LONGEST_SECRET_LINES = 500


class Gitleaks(Scanner):
    """Searches with gitleaks."""

    name = "gitleaks"

    def __init__(self, scm: SourceControl, key: Path | bytes) -> None:
        """
        Args:
            scm: gives the files of the commits.
            key: key of this installation, for naming secrets in fingerprints, or its file; made where there is none.
        """
        self._scm = scm
        self._names = SecretNames(key)

    def unavailable(self) -> str | None:
        return None if gitleaks_executable() else _ABSENT

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        program, name = identity_of(gitleaks_executable()), request.stage.options.get("baseline")
        if program is None or name is None:
            return program
        return {**program, "baseline": digest_of_named_files(request.tree, [name])}

    def scan(self, request: ScanRequest) -> ToolRun:
        executable = gitleaks_executable()
        if executable is None:
            return ToolRun(EvidenceMissing(_ABSENT))
        scope = SecretScope(self._scm, request)
        tool = Tool("gitleaks", "unknown")
        try:
            program = GitleaksProgram.ask(executable, request)
            rules = _rules_file(request)
            tool = Tool("gitleaks", program.version, f"{_RULES} of the repository" if rules else "gitleaks' own rules")
            baseline = read_baseline(request)
            places = _written_out(scope, request.scratch / "places")
            reported = program.search(request.scratch / "places", rules)
            if isinstance(reported, EvidenceMissing):
                return ToolRun(EvidenceMissing(reported.reason, tool))
            leaks, allowed = self._sorted_out(reported, places, baseline)
        except PipelineError as error:
            return ToolRun(EvidenceMissing(f"the commits can't be searched: {error.what}", tool))
        except OSError as error:
            return ToolRun(EvidenceMissing(f"gitleaks can't be given the files: {error.strerror}", tool))
        except ValueError as error:
            return ToolRun(EvidenceMissing(str(error), tool))
        if not scope.files:
            return ToolRun(EvidenceMissing("gitleaks looked at no file", tool))
        marked = allowed if program.has_dir else list(_marked(places))
        return _run_of(tool, scope, findings_of(leaks), marked, (*scope.all_notes, *_notes(request)), baseline)

    def _sorted_out(
        self, reported: Sequence[ReportedLeak], places: Mapping[str, Place], baseline: Baseline
    ) -> tuple[list[Leak], list[str]]:
        """Leaks; and the lines that are marked as allowed, in words."""
        leaks: list[Leak] = []
        allowed: list[str] = []
        for one in reported:
            place = places.get(one.file)
            if place is None:
                raise ValueError(f"gitleaks names a file that it was not given: {one.file[:100]}")
            text = _text(place, one)
            if _ALLOWED in text:
                allowed.append(f"{place.path}:{one.line} ({one.rule})")
                continue
            # The masked report does not say which secret it is: its lines stand for it.
            accepted = baseline.accepts(one.rule, place.path, text)
            leaks.append(Leak(one.rule, one.description, place, one.line, self._names.name(text), accepted))
        return leaks, allowed


def _run_of(
    tool: Tool,
    scope: SecretScope,
    findings: Sequence[Finding],
    marked: Sequence[str],
    notes: tuple[str, ...],
    baseline: Baseline,
) -> ToolRun:
    accepted = [finding for finding in findings if not finding.is_new]
    if accepted:
        notes += (f"{len(accepted)} secrets that the base had are named in {baseline.name}: {places_of(accepted)}.",)
    if marked:
        shown = ", ".join(marked[:5]) + (" and others" if len(marked) > 5 else "")
        notes += (f"{len(marked)} lines marked {_ALLOWED} were left out: {shown}.",)
    measures = {
        "secrets": float(len(findings)),
        "secrets_in_baseline": float(len(accepted)),
        "allowed": float(len(marked)),
        **scope.measures,
    }
    summary = f"{len(findings)} secrets in {scope.files} files and {scope.commits} commits"
    return ToolRun(Evidence(tool, summary, measures, tuple(findings), notes=notes), (report_of(findings),))


def _text(place: Place, leak: ReportedLeak) -> str:
    """The lines of a leak, without their outer white space."""
    first = max(leak.line - 1, 0)
    return "\n".join(place.lines[first : min(max(leak.line, leak.last_line), first + _LONGEST_SECRET_LINES)])


def _marked(places: Mapping[str, Place]) -> Iterator[str]:
    """Lines that a gitleaks before 8.19 leaves out by itself, whatever they hold."""
    for place in places.values():
        for number, line in enumerate(place.lines, start=1):
            if _ALLOWED in line:
                yield f"{place.path}:{number}"


def _rules_file(request: ScanRequest) -> Path | None:
    """A copy of the repository's configuration, which may be a link to anywhere; None where there is none."""
    if not os.path.lexists(request.tree / _RULES):
        return None
    copy = request.scratch / "gitleaks.toml"
    copy.write_bytes(read_named_file(request.tree, _RULES))
    return copy


def _notes(request: ScanRequest) -> Iterator[str]:
    if request.base_tree is not None:
        now, before = (digest_of_named_files(tree, [_RULES]) for tree in (request.tree, request.base_tree))
        if now != before:
            yield f"The release changes the rules of the search: {_RULES} is not what it was."
    if (request.tree / _IGNORED).is_file():
        yield f"{_IGNORED} is not read: name a baseline instead."


def _written_out(scope: SecretScope, folder: Path) -> dict[str, Place]:
    """Writes every place to a file, numbered so that no name of the repository leads anywhere; by that file's name."""
    folder.mkdir(parents=True)
    places: dict[str, Place] = {}
    for number, place in enumerate(scope.places()):
        name = f"{number}/{Path(place.path).name}"
        file = folder / name
        file.parent.mkdir()
        file.write_bytes(place.content)
        places[name] = place
    return places
