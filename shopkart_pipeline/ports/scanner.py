"""A tool that looks and reports: linter, tests, quality, secrets, dependencies, image."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shopkart_pipeline.domain.declaration import Service, Stage
from shopkart_pipeline.domain.evidence import Tool, ToolRun
from shopkart_pipeline.domain.release import Release

TEST_LIST = "tests.json"
"""Raw report with the names of all tests that a stage reported, and how they ended."""
EARLIER_TESTS = f"earlier-release/{TEST_LIST}"
"""Among the reports of a request: the list that this stage left for the release that tests are compared with."""


@dataclass(frozen=True)
class ScanRequest:
    """What a tool is given. All paths are absolute and exist; the tool writes below `scratch` alone."""

    release: Release
    service: Service
    stage: Stage
    tree: Path
    """Root of the repository at the release's commit."""
    scratch: Path
    """An empty folder for reports; thrown away afterwards."""
    log: Path
    """The stage's log, to append to."""
    base_commit: str | None
    """What new code is measured against: the commit in production, else where the branch stood before."""
    base_tree: Path | None
    """Root of the repository at `base_commit`; None where there is no base."""
    environment: Path | None = None
    """Virtual environment with the service's dependencies, for stages that come after installing them."""
    image: Path | None = None
    """OCI image layout, for stages that come after the image."""
    image_digest: str | None = None
    url: str | None = None
    """Where the service answers, for tests against a deployment."""
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further environment variables for a command."""
    reports: Mapping[str, Path] = field(default_factory=dict[str, Path])
    """Raw reports of earlier stages of this release, by `stage/name`, such as `unit_tests/coverage.xml`."""
    advisory_tree: Path | None = None
    """Root of the repository whose advisories count, where that is not the release's own."""

    @property
    def advisories(self) -> Path:
        """Root of the repository whose advisories count."""
        return self.advisory_tree or self.tree

    @property
    def service_tree(self) -> Path:
        return self.tree / self.service.source.path


class Scanner(ABC):
    """One tool for one kind of stage."""

    name: str
    runs_code: bool = False
    """Whether it runs code of the project: commands, or configuration that is code."""

    @abstractmethod
    def unavailable(self) -> str | None:
        """Why the tool can't run here, or None if it can; cheap, so that `auto` may ask."""

    def idle(self, request: ScanRequest) -> str | None:
        """Why the service holds nothing for this tool, or None if it does; cheap. It is asked where several tools share
        a stage: one that runs alone says in its result what it looked at."""
        return None

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        """What a result depends on beside the service's files, the base and the stage's declaration: the tool's version
        and rules, the date of its data. None where that can't be told without running it: then every attempt runs.

        Runs no tool. May raise `PipelineError` or `OSError`, which counts as None."""
        return None

    def tool_of(self, request: ScanRequest) -> Tool | None:
        """Who will have produced the evidence, where that is known without running it."""
        del request
        return None

    @abstractmethod
    def scan(self, request: ScanRequest) -> ToolRun:
        """Run the tool. A tool that did not run, ran out of time, crashed or wrote something unreadable gives
        `EvidenceMissing` with the reason; this method raises for programming errors alone."""
