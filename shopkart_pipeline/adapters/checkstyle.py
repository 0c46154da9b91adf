"""Checkstyle XML, which checkstyle itself, ktlint, phpcs, shellcheck, hadolint, formatters of eslint and others write.

Severities `error`, `warning` and `info` become high, medium and low; `ignore` is what a configuration switched off.
A file that the tool could not look at (`<exception>`) makes the report unusable: what it would have found is unknown.

Source: checkstyle's XMLLogger.
"""

from xml.etree.ElementTree import Element

from shopkart_pipeline.adapters._findings import Located
from shopkart_pipeline.adapters._report_limits import MAXIMUM_FINDINGS
from shopkart_pipeline.adapters._xml import root_of
from shopkart_pipeline.domain.evidence import Severity

_SEVERITIES = {"error": Severity.HIGH, "warning": Severity.MEDIUM, "info": Severity.LOW}
_IGNORED = "ignore"
_UNNAMED = "unnamed"


def parse(report: bytes) -> tuple[Located, ...]:
    """Read a report; paths are as the tool names them.

    Raises:
        ValueError: it is not checkstyle XML, or the tool could not look at a file.
    """
    root = root_of(report)
    if root.tag != "checkstyle":
        raise ValueError(f"not checkstyle XML, but <{root.tag[:60]}>")
    broken = root.find(".//exception")
    if broken is not None:
        said = (broken.text or "").strip().partition("\n")[0]
        raise ValueError(f"the tool could not look at a file: {said[:200] or 'it does not say why'}")
    said = tuple(
        _located(error, file.get("name", ""))
        for file in root.iterfind("file")
        for error in file.iterfind("error")
        if error.get("severity") != _IGNORED
    )
    if len(said) > MAXIMUM_FINDINGS:
        raise ValueError(f"it holds more than {MAXIMUM_FINDINGS} findings")
    return said


def _located(error: Element, path: str) -> Located:
    severity, line = error.get("severity", "error"), error.get("line", "")
    if severity not in _SEVERITIES:
        raise ValueError(f"unknown severity {severity[:60]!r}")
    return Located(
        rule=error.get("source") or _UNNAMED,
        severity=_SEVERITIES[severity],
        message=error.get("message") or error.get("source") or _UNNAMED,
        path=path.removeprefix("./"),
        line=int(line) if line.isdigit() and int(line) > 0 else None,
    )
