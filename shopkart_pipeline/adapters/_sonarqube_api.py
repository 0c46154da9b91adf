"""SonarQube's Web API: the requests that the adapter makes, each by its documented name.

Everything is read with the token as Bearer, answers are freed of it before anything reads them, and all requests
together have the stage's deadline. What is not the documented JSON is refused without being quoted. Lists are read in
pages of 500; a search gives 10,000 at most, as Elasticsearch does, so the worst are asked for first.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from shopkart_pipeline.adapters import _sonarqube_answers as answers
from shopkart_pipeline.adapters._http import Ask, HttpClient
from shopkart_pipeline.adapters._sonarqube_access import Access, Project
from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.clock import Clock

_METRICS = (
    "new_violations",
    "violations",
    "new_coverage",
    "coverage",
    "new_lines_to_cover",
    "lines_to_cover",
    "new_duplicated_lines_density",
    "duplicated_lines_density",
    "new_security_hotspots_reviewed",
    "security_hotspots_reviewed",
    "new_security_hotspots",
    "security_hotspots",
    "new_lines",
    "lines",
    "ncloc",
    "ncloc_language_distribution",
)
_LISTED_AT_MOST = 10_000
_PAGE = 500
_ANALYSES = 100
_OLDEST_VERSION = (9, 9)
_RENAMED_PARAMETERS = (10, 2)
_REQUEST_TIMEOUT_SECONDS = 30.0
_VERSION = re.compile(r"(\d{1,5})\.(\d{1,5})[0-9A-Za-z.-]{0,40}")

_Answer = TypeVar("_Answer", bound=BaseModel)
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Listed(Generic[_Item]):
    """A list, 10,000 long at most, and how long it would be."""

    items: Sequence[_Item]
    total: int


class WebApi(AbstractContextManager["WebApi"]):
    """Asks one server about one project; closes its connections at the end.

    All methods raise `ToolUnavailable` where the server does not answer in time or refuses, and `UntrustedInput` where
    its answer can't be read.
    """

    def __init__(self, project: Project, access: Access, clock: Clock, deadline: datetime) -> None:
        self.project = project
        self._access = access
        self._clock = clock
        self._deadline = deadline
        self._renamed_parameters = True
        self._client = HttpClient(
            "SonarQube",
            project.server,
            authorization=lambda: f"Bearer {access.token}",
            environment=True,
            pause=clock.sleep,
        )

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def version(self) -> str:
        """The server's version; has to be asked first."""
        text = self._ask("/api/server/version", {}).decode(errors="replace").strip()
        match = _VERSION.fullmatch(text)
        if match is None:
            raise _unreadable("/api/server/version")
        version = (int(match[1]), int(match[2]))
        self._renamed_parameters = version >= _RENAMED_PARAMETERS
        if version < _OLDEST_VERSION:
            raise ToolUnavailable(f"SonarQube {text} is older than 9.9.", "Update the server.")
        return text

    def task(self, task_id: str) -> answers.Task:
        return self._read("/api/ce/task", {"id": task_id}, answers.TaskAnswer)[0].task

    def gate(self, analysis_id: str) -> tuple[answers.GateStatus, bytes]:
        """The gate's status as it was computed in this analysis, and the raw answer."""
        answer, raw = self._read("/api/qualitygates/project_status", {"analysisId": analysis_id}, answers.GateAnswer)
        return answer.projectStatus, raw

    def gate_name(self) -> str:
        parameters = {"project": self.project.key}
        return self._read("/api/qualitygates/get_by_project", parameters, answers.GateNameAnswer)[0].qualityGate.name

    def profiles(self) -> Sequence[answers.Profile]:
        """The quality profiles of the project, one for every language that the server knows."""
        parameters = {"project": self.project.key}
        return self._read("/api/qualityprofiles/search", parameters, answers.ProfilesAnswer)[0].profiles

    def measures(self) -> tuple[answers.MeasuresAnswer, bytes]:
        """Measures after the latest analysis, and the raw answer."""
        parameters = {"metricKeys": ",".join(_METRICS), "additionalFields": "period"}
        return self._read("/api/measures/component", self._of_project("component") | parameters, answers.MeasuresAnswer)

    def analyses(self) -> Sequence[answers.Analysis]:
        """The latest analyses, the latest first."""
        parameters = self._of_project("project") | {"ps": str(_ANALYSES)}
        return self._read("/api/project_analyses/search", parameters, answers.AnalysesAnswer)[0].analyses

    def issues(self, *, new: bool) -> Listed[answers.Issue]:
        """Open issues, the worst first."""
        parameters = self._of_project("components" if self._renamed_parameters else "componentKeys")
        parameters |= {"resolved": "false", "s": "SEVERITY", "asc": "false", **_period(new)}
        return self._all("/api/issues/search", parameters, answers.Page[answers.Issue])

    def hotspots(self, *, new: bool) -> Listed[answers.Hotspot]:
        """Security hotspots that nobody has reviewed."""
        parameters = self._of_project("project" if self._renamed_parameters else "projectKey")
        parameters |= {"status": "TO_REVIEW", **_period(new)}
        return self._all("/api/hotspots/search", parameters, answers.Page[answers.Hotspot])

    def _of_project(self, parameter: str) -> dict[str, str]:
        branch = {} if self.project.branch is None else {"branch": self.project.branch}
        return {parameter: self.project.key, **branch}

    def _all(self, path: str, parameters: Mapping[str, str], model: type[answers.Page[_Item]]) -> Listed[_Item]:
        found: list[_Item] = []
        for page in range(1, _LISTED_AT_MOST // _PAGE + 1):
            answer = self._read(path, {**parameters, "ps": str(_PAGE), "p": str(page)}, model)[0]
            found += answer.items
            if len(found) >= answer.paging.total or page * _PAGE >= _LISTED_AT_MOST:
                return Listed(found, answer.paging.total)
            if not answer.items:
                break
        what = f"SonarQube's answers to GET {path} end before everything that they count was told."
        raise UntrustedInput(what, "Run the stage again.")

    def _read(self, path: str, parameters: Mapping[str, str], model: type[_Answer]) -> tuple[_Answer, bytes]:
        content = self._ask(path, parameters)
        try:
            return model.model_validate_json(content), content
        except ValidationError:
            # Its cause would quote what the server wrote.
            raise _unreadable(path) from None

    def _ask(self, path: str, parameters: Mapping[str, str]) -> bytes:
        left_seconds = (self._deadline - self._clock.now()).total_seconds()
        if left_seconds <= 0:
            raise ToolUnavailable("The time of the stage ran out while SonarQube was asked.", "Give it more time.")
        timeout_seconds = min(left_seconds, _REQUEST_TIMEOUT_SECONDS)
        answer = self._client.ask(Ask("GET", path, params=parameters, timeout_seconds=timeout_seconds))
        return self._access.redacted(answer.content)


def _unreadable(path: str) -> UntrustedInput:
    what = f"SonarQube answered GET {path} with something else than its documented answer."
    return UntrustedInput(what, "Check that the option `server` is SonarQube's own address.")


def _period(new: bool) -> dict[str, str]:
    return {"inNewCodePeriod": "true"} if new else {}
