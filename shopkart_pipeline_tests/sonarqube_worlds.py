"""A service, a SonarQube that answers, and a scanner that tells its token to everybody: what its tests share."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shopkart_pipeline.adapters._sonarqube_access import Access
from shopkart_pipeline.adapters._sonarqube_hints import Hints
from shopkart_pipeline.adapters.sonarqube import SonarQube
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import ToolRun
from shopkart_pipeline.domain.release import PullRequest, Release
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock
from shopkart_pipeline_tests.fakes.sonarqube_server import FakeSonarQube, Reply, write_scanner
from shopkart_pipeline_tests.scan_requests import BASE, a_release, a_request, a_service, a_stage

TOKEN = "squ_" + "0f1e2d3c4b5a69788796a5b4c3d2e1f000112233"
FILES = {
    "backend/app.py": "GREETING = 'hello'\nprint(GREETING)\n",
    "backend/tests/test_app.py": "def test_it():\n    assert True\n",
    "backend/pyproject.toml": "[project]\nname = 'backend'\n",
    "servicekit/kit.py": "KIT = 1\n",
    "frontend/app.py": "print('not ours')\n",
}
COVERAGE = """<coverage><sources><source>/somewhere/else/backend</source></sources><packages><package><classes>
<class filename="app.py"><lines><line number="1" hits="1"/><line number="2" hits="0"/></lines></class>
<class filename="gone.py"><lines><line number="1" hits="1"/></lines></class>
</classes></package></packages></coverage>"""


def of_pull_request(release: Release) -> Release:
    return replace(release, pull_request=PullRequest(7, BASE, from_fork=False))


@dataclass
class SonarWorld:
    """Everything that a scan needs; `folder` is where all of it lies."""

    folder: Path
    server: FakeSonarQube

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.hints = Hints(self.folder / "home" / "sonarqube")
        self.programs = self.folder / "programs"
        self.access = Access(TOKEN)
        self.install()

    def install(self, *, exit_code: int = 0, report: Mapping[str, str] | None = None) -> None:
        """Install a scanner that behaves so."""
        write_scanner(self.programs, sys.executable, exit_code=exit_code, report=report)

    def scanner(self) -> SonarQube:
        return SonarQube(self.access, self.hints, self.folder / "cache", self.clock, [self.programs])

    def request(
        self,
        files: Mapping[str, str] | None = None,
        *,
        options: Mapping[str, str] | None = None,
        coverage: str | None = COVERAGE,
        timeout_seconds: float = 60.0,
        **details: Any,
    ) -> ScanRequest:
        given = {"server": self.server.address} if options is None else options
        stage = a_stage(StageKind.QUALITY, timeout_seconds, options=given)
        reports: dict[str, Path] = {}
        if coverage is not None:
            reports["unit_tests/coverage.xml"] = self.folder / "coverage.xml"
            reports["unit_tests/coverage.xml"].write_text(coverage)
        service = a_service("backend", ("servicekit",), stage)
        return a_request(
            self.folder,
            {**FILES, **(files or {})},
            {},
            stage=stage,
            service=service,
            reports=reports,
            **{"release": a_release(), **details},
        )

    def scan(self, files: Mapping[str, str] | None = None, **details: Any) -> ToolRun:
        return self.scanner().scan(self.request(files, **details))

    @property
    def submitted(self) -> dict[str, Any]:
        """What the scanner was given, the only time that it ran."""
        [one] = self.server.submitted
        return one

    def told(self, run: ToolRun) -> str:
        """Everything that anybody could read afterwards."""
        log = self.folder / "logs" / "stage.log"
        words = [repr(run), *(report.content.decode() for report in run.raw)]
        return "\n".join([*words, log.read_text() if log.exists() else ""])


def replying(reply: Reply) -> Callable[[Mapping[str, str]], Reply]:
    """An answer that is always the same."""
    return lambda parameters: reply
