"""What the pipeline tells the code host: the state of checks, deployments, pull requests and findings.

A notice says how something stands, not what happened, so that only the newest one about a thing has to arrive. `about`
names the thing: equal names are one check run, one deployment, one comment at the code host, however often it is told.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CheckStatus(StrEnum):
    """How far a check is."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class Conclusion(StrEnum):
    """How a completed check ended. `SKIPPED` satisfies a required check: what is not affected never hangs."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class AnnotationLevel(StrEnum):
    """How an annotation is shown."""

    NOTICE = "notice"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Annotation:
    """One remark at a line of a file."""

    path: str
    line: int
    level: AnnotationLevel
    title: str
    message: str


@dataclass(frozen=True)
class CheckNotice:
    """A check of a commit: one stage, or a service's continuous integration as a whole."""

    repository: str
    sha: str
    name: str
    """Such as `backend / unit_tests`; what branch protection asks for."""
    status: CheckStatus
    conclusion: Conclusion | None
    """Given where the check is completed, and only there."""
    title: str
    summary: str
    """Markdown: the gates with value and limit."""
    annotations: tuple[Annotation, ...] = ()
    details_url: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @property
    def about(self) -> str:
        return f"check:{self.repository}:{self.sha}:{self.name}"


class DeploymentState(StrEnum):
    """How a deployment stands, in the code host's words."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    SUCCESS = "success"
    FAILURE = "failure"
    INACTIVE = "inactive"
    """It was there, and something else is there now."""


@dataclass(frozen=True)
class DeploymentNotice:
    """A release of a service in an environment."""

    repository: str
    sha: str
    service: str
    release_key: str
    environment: str
    is_production: bool
    state: DeploymentState
    description: str
    run_id: str
    """The attempt; a release that is rolled out again is another deployment."""
    log_url: str | None = None
    environment_url: str | None = None

    @property
    def about(self) -> str:
        return f"deployment:{self.repository}:{self.service}:{self.release_key}:{self.environment}:{self.run_id}"


@dataclass(frozen=True)
class CommentNotice:
    """The one comment at a pull request that is edited, not repeated."""

    repository: str
    number: int
    body: str
    """Markdown."""

    @property
    def about(self) -> str:
        return f"comment:{self.repository}:{self.number}"


@dataclass(frozen=True)
class ScanNotice:
    """Findings of a commit for code scanning, as SARIF."""

    repository: str
    sha: str
    ref: str
    """Such as `refs/heads/main` or `refs/pull/7/head`."""
    category: str
    """Such as `shopkart/backend`; a newer analysis of the same category replaces the older."""
    sarif_digest: str
    """Of the SARIF document in the evidence store."""

    @property
    def about(self) -> str:
        return f"scan:{self.repository}:{self.sha}:{self.category}"


Notice = CheckNotice | DeploymentNotice | CommentNotice | ScanNotice
