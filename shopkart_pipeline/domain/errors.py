"""The one tree of errors. Each says what happened and how to fix it; only the command line exits.

Untrusted input, an unreachable tool and a refusal by policy are different classes, because the person who has
to act differs: the sender, the operator, the author of the release.
"""

from dataclasses import dataclass


class PipelineError(Exception):
    """Something that a person has to know: `what` happened and the `fix`."""

    exit_code = 1

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(f"{what} {fix}".strip())
        self.what = what
        self.fix = fix


def words_of(error: PipelineError | OSError) -> str:
    """What went wrong, and the way out where there is one, without names of files that nobody asked for."""
    if isinstance(error, PipelineError):
        return f"{error.what} {error.fix}".strip()
    return f"{type(error).__name__}: {error.strerror}"


@dataclass(frozen=True)
class Fault:
    """One fault of a declaration, at its place."""

    file: str
    line: int
    path: str
    """Key path such as `services.backend.stages.lint.timeout_seconds`."""
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.path}: {self.message}"


class DeclarationError(PipelineError):
    """The declaration can't be used; all its faults at once."""

    exit_code = 2

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults), "")
        self.faults = faults


class UntrustedInput(PipelineError):
    """Input from outside that is unsigned, malformed or not meant for us."""


class ToolUnavailable(PipelineError):
    """A tool, server or file that a step needs is not there or does not answer."""


class Refused(PipelineError):
    """Policy says no. The reason is part of the audit trail."""


class NotYet(Refused):
    """Policy says no for now, and nothing has to be mended: what is awaited is over one day."""


class Conflict(PipelineError):
    """Somebody else changed the same thing first; look again before acting."""


class NotFound(PipelineError):
    """There is no such release, service, image or report."""
