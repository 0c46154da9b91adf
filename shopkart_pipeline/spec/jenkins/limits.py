"""Time limits and repetitions: of the stage that came of what they stand around."""

from shopkart_pipeline.spec.jenkins.draft import Draft
from shopkart_pipeline.spec.jenkins.shell_steps import Stage
from shopkart_pipeline.spec.jenkins.syntax import Statement

_UNITS = {
    "NANOSECONDS": 0.0,
    "MICROSECONDS": 0.0,
    "MILLISECONDS": 0.0,
    "SECONDS": 1,
    "MINUTES": 60,
    "HOURS": 3600,
    "DAYS": 86400,
}
_LONGEST_SECONDS = 30 * 86400
_MOST_RETRIES = 5


def duration_of(statement: Statement) -> str | None:
    """A duration such as `timeout(time: 5, unit: 'MINUTES')` has, in the declaration's words."""
    said, unit = statement.word("time"), statement.word("unit") if "unit" in statement.named else None
    default = "MINUTES" if statement.name == "timeout" else "SECONDS"
    size = _UNITS.get(unit or default, 0)
    if said is None or not said.isdecimal() or len(said) > 9 or not 1 <= int(said) * size <= _LONGEST_SECONDS:
        return None
    seconds = int(int(said) * size)
    for letter, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{letter}"
    return f"{seconds}s"


def set_timeout(draft: Draft, stage: Stage, statement: Statement) -> None:
    """The limit of one stage."""
    duration = duration_of(statement)
    if duration is not None and len(stage.targets) == 1:
        [(name, target)] = stage.targets.items()
        target["timeout"] = duration
        draft.notes.translated(statement.line, statement.text, f"stages.{name}.timeout")
    else:
        words = "every stage has a time limit of its own (stages.NAME.timeout); no one stage came of this"
        draft.notes.left(statement.line, statement.text, words)


def set_retries(draft: Draft, stage: Stage, statement: Statement) -> None:
    """How often failed tests are run again."""
    said = statement.word("count")
    if said is not None and said.isdecimal() and len(stage.targets) == 1 and 1 <= int(said[:3]) <= _MOST_RETRIES + 1:
        [(name, target)] = stage.targets.items()
        target["retries"] = int(said) - 1
        draft.notes.translated(
            statement.line, statement.text, f"stages.{name}.retries; what passes then is shown as flaky"
        )
    else:
        words = "failed tests alone are run again (stages.NAME.retries, at most 5); deployments never are"
        draft.notes.left(statement.line, statement.text, words)
