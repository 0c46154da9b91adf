"""Waiting for SonarQube's compute engine: the scanner only hands its report in, the server judges it later.

The task is asked for again and again, after pauses that grow, until it has ended or the stage's time is over. A hint
of the webhook ends a pause early; what the task came to is always read from the server.
"""

from datetime import datetime

from shopkart_pipeline.adapters._sonarqube_answers import UNFINISHED, Task
from shopkart_pipeline.adapters._sonarqube_api import WebApi
from shopkart_pipeline.adapters._sonarqube_hints import Hints
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.ports.clock import Clock

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
_GROWTH = 1.5
_LOOK_SECONDS = 0.2
"""How often it is looked for a hint."""
_MESSAGE_CHARACTERS = 300


def analysis_of(api: WebApi, task_id: str, hints: Hints, clock: Clock, deadline: datetime) -> str | EvidenceMissing:
    """The id of the analysis that a task made, once it has, or why there is none.

    Raises:
        ToolUnavailable, UntrustedInput: the server does not answer, or not readably.
    """
    try:
        task = _ended(api, task_id, hints, clock, deadline)
    finally:
        hints.take(task_id)
    if task.status in UNFINISHED:
        return EvidenceMissing(f"SonarQube's analysis was still {task.status} when the time of the stage was over")
    if task.status != "SUCCESS":
        words = " ".join(task.errorMessage.split())[:_MESSAGE_CHARACTERS]
        return EvidenceMissing(f"SonarQube's analysis ended as {task.status}: {words or 'it does not say why'}")
    project = api.project
    if task.componentKey != project.key or task.pullRequest or (project.branch and task.branch != project.branch):
        return EvidenceMissing("SonarQube's task is about something else than this project and branch")
    return task.analysisId or EvidenceMissing("SonarQube's task made no analysis")


def _ended(api: WebApi, task_id: str, hints: Hints, clock: Clock, deadline: datetime) -> Task:
    """The task as it was when it had ended, or when the time was over."""
    pause_seconds = _FIRST_PAUSE_SECONDS
    while True:
        task = api.task(task_id)
        if task.status not in UNFINISHED:
            return task
        _rest(min(pause_seconds, (deadline - clock.now()).total_seconds()), task_id, hints, clock)
        if clock.now() >= deadline:
            return task
        pause_seconds = min(_GROWTH * pause_seconds, _LONGEST_PAUSE_SECONDS)


def _rest(pause_seconds: float, task_id: str, hints: Hints, clock: Clock) -> None:
    while pause_seconds > 0 and not hints.take(task_id):
        clock.sleep(min(_LOOK_SECONDS, pause_seconds))
        pause_seconds -= _LOOK_SECONDS
