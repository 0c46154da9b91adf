"""What SonarQube's Web API answers, as far as it is read: the documented shapes of 9.9 LTA, 10.x and 2025.x.

Values of new code stand in `period.value`; servers before 8.1 said `periods[0].value`, and 9.9 says both. A status
that is not documented makes the whole answer unreadable.
"""

import math
from typing import Generic, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, Field

UNFINISHED = ("PENDING", "IN_PROGRESS")

_Item = TypeVar("_Item")


class Task(BaseModel):
    """A task of the compute engine."""

    id: str
    status: Literal["PENDING", "IN_PROGRESS", "SUCCESS", "FAILED", "CANCELED"]
    componentKey: str | None = None
    analysisId: str | None = None
    branch: str | None = None
    pullRequest: str | None = None
    errorMessage: str = ""


class TaskAnswer(BaseModel):
    """`/api/ce/task`."""

    task: Task


class Condition(BaseModel):
    """One condition of a quality gate, as it came out."""

    status: Literal["OK", "WARN", "ERROR", "NONE", "NO_VALUE"]
    metricKey: str
    comparator: str = ""
    errorThreshold: str = ""
    actualValue: str | None = None


class GateStatus(BaseModel):
    """How an analysis came out under its quality gate."""

    status: Literal["OK", "WARN", "ERROR", "NONE"]
    conditions: list[Condition] = []
    ignoredConditions: bool = False


class GateAnswer(BaseModel):
    """`/api/qualitygates/project_status`."""

    projectStatus: GateStatus


class _Named(BaseModel):
    name: str


class GateNameAnswer(BaseModel):
    """`/api/qualitygates/get_by_project`."""

    qualityGate: _Named


class Profile(BaseModel):
    """The rules for one language."""

    name: str
    language: str
    rulesUpdatedAt: str = ""


class ProfilesAnswer(BaseModel):
    """`/api/qualityprofiles/search`."""

    profiles: list[Profile]


class _PeriodValue(BaseModel):
    value: str | None = None


class Measure(BaseModel):
    """One metric's value, over all and on new code."""

    metric: str
    value: str | None = None
    period: _PeriodValue | None = None
    periods: list[_PeriodValue] = []

    @property
    def new_value(self) -> str | None:
        if self.period is not None:
            return self.period.value
        return self.periods[0].value if self.periods else None


class _Component(BaseModel):
    measures: list[Measure]


class Period(BaseModel):
    """Since when code is new."""

    mode: str
    date: str | None = None
    parameter: str | None = None

    @property
    def has_begin(self) -> bool:
        """False where the server falls back to the first analysis, because it knows no earlier version."""
        return self.mode.lower() != "previous_version" or bool(self.parameter)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.mode.lower(), self.parameter, self.date)))


class MeasuresAnswer(BaseModel):
    """`/api/measures/component` with the field `period`."""

    component: _Component
    period: Period | None = None

    def text(self, metric: str) -> str | None:
        """The value over all code, as the server wrote it; None where there is none."""
        return next((one.value for one in self.component.measures if one.metric == metric), None)

    def value(self, metric: str, *, new: bool) -> float | None:
        """The value on new code or over all code; None where there is none.

        Raises:
            ValueError: it is no number.
        """
        found = next((one for one in self.component.measures if one.metric == metric), None)
        text = None if found is None else found.new_value if new else found.value
        if text is None:
            return None
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(f"{metric} is {text}")
        return number


class Analysis(BaseModel):
    """One analysis of a project."""

    key: str
    date: str
    revision: str | None = None


class AnalysesAnswer(BaseModel):
    """`/api/project_analyses/search`, the latest first."""

    analyses: list[Analysis]


class _Paging(BaseModel):
    total: int = Field(ge=0)


class Impact(BaseModel):
    """What an issue does to one quality of the software; since 10.2."""

    severity: str


class Issue(BaseModel):
    """One issue."""

    key: str
    rule: str
    component: str
    severity: str | None = None
    impacts: list[Impact] = []
    message: str = ""
    line: int | None = None


class Hotspot(BaseModel):
    """One security hotspot; the rule is told since 9.7."""

    key: str
    component: str
    ruleKey: str | None = None
    securityCategory: str = "others"
    vulnerabilityProbability: str = ""
    message: str = ""
    line: int | None = None


class Page(BaseModel, Generic[_Item]):
    """One page of `/api/issues/search` or `/api/hotspots/search`."""

    paging: _Paging
    items: list[_Item] = Field(validation_alias=AliasChoices("issues", "hotspots"))
