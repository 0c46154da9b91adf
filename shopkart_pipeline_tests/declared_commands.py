"""Stages that run a command of their own, for tests of what is read from it."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shopkart_pipeline.adapters.declared_command import DeclaredCommand
from shopkart_pipeline.domain.declaration import Stage, StageKind
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.fakes.fake_scm import FakeSourceControl
from shopkart_pipeline_tests.scan_requests import a_request, a_stage

HERE = Path(sys.prefix)


def stage(code: str, timeout_seconds: float = 30.0, kind: StageKind = StageKind.UNIT_TESTS, **details: Any) -> Stage:
    """A stage that runs Python code in the service's folder."""
    return a_stage(kind, timeout_seconds, command=("{python}", "-c", code), **details)


def writing(report: str, content: str, exit_code: int = 0, **details: Any) -> Stage:
    """A stage whose command writes one report."""
    code = f"import sys; open({report!r}, 'w').write({content!r}); sys.exit({exit_code})"
    return stage(code, **details)


def request(folder: Path, declared: Stage, files: Mapping[str, str] | None = None, **details: Any) -> ScanRequest:
    """A request for such a stage."""
    return a_request(folder, files or {"backend/a.py": "x = 1\n"}, stage=declared, environment=HERE, **details)


def scanner() -> DeclaredCommand:
    """Runs it."""
    return DeclaredCommand(FakeSourceControl())
