"""What eslint reports: `--format json`, reduced to what may be kept.

eslint adds the source of every file with a problem, and the text of every fix, to its report. Both may hold anything
that the code holds, so neither is kept.

Source: eslint's documentation, "Formatters Reference" (json) and "Node.js API Reference" (LintMessage).
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

from shopkart_pipeline.adapters._findings import Located
from shopkart_pipeline.adapters._report_limits import Many
from shopkart_pipeline.adapters._service_paths import is_tool_configuration
from shopkart_pipeline.domain.evidence import Severity

_WARNING, _ERROR = 1, 2
_PARSE_ERROR, _OF_ESLINT_ITSELF = "parse-error", "eslint"


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _Suppression(_Camel):
    kind: str
    justification: str = ""


class _Message(_Camel):
    rule_id: str | None = None
    severity: int = Field(ge=_WARNING, le=_ERROR)
    message: str
    line: int | None = None
    column: int | None = None
    fatal: bool = False
    suppressions: list[_Suppression] | None = None


class _Result(_Camel):
    file_path: str
    messages: Many[_Message]
    suppressed_messages: Many[_Message] = []


_REPORT = TypeAdapter(Many[_Result])


@dataclass(frozen=True)
class EslintReport:
    """What one run of eslint said."""

    said: tuple[Located, ...] = ()
    errors: int = 0
    suppressed: int = 0
    files: int = 0
    """Files that it looked at, but for its own configuration."""
    results: tuple[_Result, ...] = ()

    def __add__(self, other: "EslintReport") -> "EslintReport":
        return EslintReport(
            self.said + other.said,
            self.errors + other.errors,
            self.suppressed + other.suppressed,
            self.files + other.files,
            self.results + other.results,
        )

    def to_json(self) -> bytes:
        """The report as it is kept."""
        return _REPORT.dump_json(list(self.results), by_alias=True, exclude_none=True, indent=1)


def parse(report: bytes, tree: Path) -> EslintReport:
    """Read a report.

    Args:
        report: what eslint wrote.
        tree: root of the tree that it looked at, for paths of the repository.

    Raises:
        ValueError: it is not what eslint writes.
    """
    results = tuple(_REPORT.validate_json(report.replace(f"{tree}/".encode(), b"")))
    said = tuple(_located(message, result.file_path) for result in results for message in result.messages)
    return EslintReport(
        said=said,
        errors=sum(message.severity == _ERROR for result in results for message in result.messages),
        suppressed=sum(len(result.suppressed_messages) for result in results),
        files=sum(not is_tool_configuration(result.file_path) for result in results),
        results=results,
    )


def _located(message: _Message, path: str) -> Located:
    rule = message.rule_id or (_PARSE_ERROR if message.fatal else _OF_ESLINT_ITSELF)
    is_core = message.rule_id is not None and "/" not in message.rule_id
    return Located(
        rule=rule,
        severity=_severity(message),
        message=message.message,
        path=path,
        line=message.line,
        link=f"https://eslint.org/docs/latest/rules/{message.rule_id}" if is_core else None,
    )


def _severity(message: _Message) -> Severity:
    if message.fatal:
        return Severity.HIGH
    return Severity.MEDIUM if message.severity == _ERROR else Severity.LOW
