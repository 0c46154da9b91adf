"""Secrets found by the detectors of the library detect-secrets, in the tree and in the commits of a release.

The library's detectors are called line by line in this process: starting its program takes longer than a search. What
they suspect counts if it looks live:

- a format that only credentials have (cloud keys, tokens, private keys) always counts;
- what stands beside a word like "password", or in a URL, counts if it is at least eight characters long and mixes in
  digits: names, placeholders and texts do not;
- a random-looking string counts if it mixes upper case, lower case and digits; a hexadecimal one only beside a word
  that says it is secret, since most are checksums.

Digests that say so (`sha256:...`, `--hash=sha256:...`, `sha512-...`) are no secrets, in lock files as elsewhere. A line
marked `pragma: allowlist secret` is left out and counted. The secret itself leaves this module nowhere.

Measures: `secrets`, `allowed`, `commits_scanned`, `files_scanned`, `files_skipped`.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.filters import heuristic
from detect_secrets.plugins.base import BasePlugin
from detect_secrets.plugins.keyword import DENYLIST

from shopkart_pipeline.adapters._secret_findings import Leak, findings_of, report_of
from shopkart_pipeline.adapters._secret_scope import Place, SecretNames, SecretScope
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest
from shopkart_pipeline.ports.scm import SourceControl

_REVISION = "1"
"""Counts what this module makes of the detectors; it changes whenever equal files would give other findings."""
_NOT_USED = frozenset({"IPPublicDetector"})
"""Addresses are not secret."""
_BY_CONTEXT = frozenset({"KeywordDetector", "BasicAuthDetector"})
_BY_ENTROPY = frozenset({"Base64HighEntropyString", "HexHighEntropyString"})

_SECRET_WORD = re.compile("|".join([*DENYLIST, "token", "credential", "bearer"]), re.IGNORECASE)
_DIGEST = re.compile(r"\b(?:sha(?:1|224|256|384|512)|md5)[:=-][A-Za-z0-9+/=_-]{20,}")
_PLACEHOLDER = re.compile(
    r"change.?me|example|dummy|fake|placeholder|redacted|your[-_ ]|^(?P<one>.)(?P=one)*$|^x+[-_x]*$|\*\*\*|\.\.\.",
    re.IGNORECASE,
)
_REPEATED = re.compile(r"(.)\1{7,}")
_ALLOWED = re.compile(r"pragma: ?allowlist[ -]secret")
_UNQUOTED = re.compile(
    r"^(\s*(?:export\s+|ENV\s+|ARG\s+|-\s+)?[\w.-]+\s*[:=]\s*)([^\s\"'#{\[|>&*][^\s\"'#]*)\s*(?:#.*)?$"
)
_UNQUOTED_SUFFIXES = frozenset({".yaml", ".yml", ".ini", ".cfg", ".conf", ".properties", ".toml", ".env", ""})
_LINE_CHARACTERS, _OVERLAP_CHARACTERS = 4000, 400
_LIVE_CHARACTERS = 8


class DetectSecrets(Scanner):
    """Searches with detect-secrets."""

    name = "detect-secrets"

    def __init__(self, scm: SourceControl, key: Path | bytes) -> None:
        """
        Args:
            scm: gives the files of the commits.
            key: key of this installation, for naming secrets in fingerprints, or its file; made where there is none.
        """
        self._scm = scm
        self._names = SecretNames(key)

    def unavailable(self) -> str | None:
        return None

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        return {"detect-secrets": version("detect-secrets"), "module": _REVISION}

    def scan(self, request: ScanRequest) -> ToolRun:
        detectors = _detectors()
        rules = ", ".join(type(detector).__name__ for detector in detectors)
        tool = Tool("detect-secrets", version("detect-secrets"), rules)
        scope = SecretScope(self._scm, request)
        search = _Search(detectors, self._names)
        deadline = time.monotonic() + request.stage.timeout_seconds
        leaks: list[Leak] = []
        try:
            for place in scope.places():
                leaks += search.leaks(place)
                if time.monotonic() > deadline:
                    return ToolRun(EvidenceMissing(f"detect-secrets ran out of time in {place.path}", tool))
        except PipelineError as error:
            return ToolRun(EvidenceMissing(f"the commits can't be searched: {error.what}", tool))
        except OSError as error:
            return ToolRun(EvidenceMissing(f"a file can't be searched: {error.strerror}: {error.filename}", tool))
        if not scope.files:
            return ToolRun(EvidenceMissing("detect-secrets looked at no file", tool))
        findings = findings_of(leaks)
        measures = {"secrets": float(len(findings)), "allowed": float(search.allowed), **scope.measures}
        summary = f"{len(findings)} secrets in {scope.files} files and {scope.commits} commits"
        notes = scope.all_notes
        if search.allowed:
            notes = (*notes, f"{search.allowed} lines marked as allowed were left out.")
        return ToolRun(Evidence(tool, summary, measures, findings, notes=notes), (report_of(findings),))


class _Search:
    """Goes through the lines of places, and counts the lines that are marked as allowed."""

    def __init__(self, detectors: tuple[BasePlugin, ...], names: SecretNames) -> None:
        self._detectors = detectors
        self._names = names
        self.allowed = 0

    def leaks(self, place: Place) -> Iterator[Leak]:
        lines = place.content.decode("utf-8", "replace").splitlines()
        for number, text in enumerate(lines, start=1):
            found = {
                (detector.__class__.__name__, str(detector.secret_type), secret)
                for part in _parts(text)
                for detector, secret in self._secrets(place.path, part)
            }
            if found and _ALLOWED.search(text):
                self.allowed += 1
                continue
            for rule, description, secret in _distinct(found):
                yield Leak(rule, description, place, number, self._names.name(secret))

    def _secrets(self, path: str, line: str) -> Iterator[tuple[BasePlugin, str]]:
        line = _quoted(path, line)
        has_word = _SECRET_WORD.search(line) is not None
        for detector in self._detectors:
            rule = type(detector).__name__
            if rule in ("KeywordDetector", "HexHighEntropyString") and not has_word:
                continue
            for suspect in detector.analyze_line(filename=path, line=line):
                secret = suspect.secret_value or ""
                if _is_live(rule, secret, line):
                    yield detector, secret


def _distinct(found: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """One detector for each secret of a line: the one that knows the format, else the one that goes by its words."""
    kept: list[str] = []
    for rule, description, secret in sorted(found, key=lambda one: (one[0] in _BY_ENTROPY, one[0] in _BY_CONTEXT, one)):
        if not any(secret in other or other in secret for other in kept):
            kept.append(secret)
            yield rule, description, secret


def _detectors() -> tuple[BasePlugin, ...]:
    classes = get_mapping_from_secret_type_to_class().values()
    detectors = (detector() for detector in sorted(classes, key=lambda one: one.__name__))
    return tuple(detector for detector in detectors if type(detector).__name__ not in _NOT_USED)


def _parts(line: str) -> Iterator[str]:
    """Very long lines in overlapping parts: the detectors' patterns take more than linear time."""
    if len(line) < _LIVE_CHARACTERS:
        return
    for start in range(0, len(line), _LINE_CHARACTERS):
        yield line[start : start + _LINE_CHARACTERS + _OVERLAP_CHARACTERS]


def _quoted(path: str, line: str) -> str:
    """Puts the value of a configuration line in quotes, which the detectors look for."""
    file = Path(path)
    if file.suffix.lower() in _UNQUOTED_SUFFIXES or ".env" in file.name:
        return _UNQUOTED.sub(r'\1"\2"', line)
    return line


def _is_live(rule: str, secret: str, line: str) -> bool:
    if _REPEATED.search(secret):
        return False
    if rule not in _BY_CONTEXT | _BY_ENTROPY:
        return True
    if any(secret in digest.group() for digest in _DIGEST.finditer(line)):
        return False
    if _PLACEHOLDER.search(secret) or heuristic.is_sequential_string(secret) or heuristic.is_potential_uuid(secret):
        return False
    if rule in _BY_ENTROPY:
        return rule == "HexHighEntropyString" or _mixes(secret, str.isupper, str.islower, str.isdigit)
    indirect = heuristic.is_templated_secret(secret) or heuristic.is_prefixed_with_dollar_sign(secret)
    if rule == "KeywordDetector":
        indirect = indirect or heuristic.is_indirect_reference(line)
    return (
        not indirect
        and len(secret) >= _LIVE_CHARACTERS
        and " " not in secret
        and _mixes(secret, str.isdigit, str.isalpha)
    )


def _mixes(secret: str, *kinds: Callable[[str], bool]) -> bool:
    return all(any(kind(character) for character in secret) for kind in kinds)
