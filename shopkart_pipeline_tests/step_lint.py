"""A step that lints a tree, as the shipped declaration has it: what pods of steps are tried with as a whole."""

from pathlib import Path

from shopkart_pipeline.adapters.step_pod.errand import Errands
from shopkart_pipeline.adapters.step_pod.scanner import ScannerInPod
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.step_pods import DEFAULT_STEP_POD, StepPodPlace
from shopkart_pipeline.ports.step_pods import StepPods
from shopkart_pipeline.scanner_wiring import build_scanners
from shopkart_pipeline.settings import SHIPPED_DECLARATION, from_environment
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline_tests.fakes.fake_scm import FakeSourceControl
from shopkart_pipeline_tests.scan_requests import a_request, evidence_of


def found_by_lint(pods: StepPods, place: StepPodPlace, folder: Path, ports: tuple[int, int] | None = None) -> str:
    """What a step finds in a module that imports what it does not use, in words."""
    pipeline, settings = load(SHIPPED_DECLARATION, home=folder), from_environment({"SHOPKART_HOME": str(folder)})
    service, scm = pipeline.services["backend"], FakeSourceControl()
    request = a_request(
        folder / "request", {"backend/shop.py": "import os\n"}, service=service, stage=service.stage("lint")
    )
    [inner] = [
        each
        for each in build_scanners(settings, scm, SystemClock(), pipeline.environments)[StageKind.LINT]
        if "ruff" in each.name
    ]
    errands = Errands(pods, place, DEFAULT_STEP_POD, folder / "private", ports)
    return str(evidence_of(ScannerInPod(inner, errands, scm).scan(request)))
