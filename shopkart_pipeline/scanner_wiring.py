"""Chooses the scanners of each kind of stage, in the order in which `auto` prefers them."""

from collections.abc import Mapping
from functools import partial

from shopkart_pipeline.adapters._sonarqube_access import Access
from shopkart_pipeline.adapters.combined import Combined
from shopkart_pipeline.adapters.declared_command import DeclaredCommand
from shopkart_pipeline.adapters.dependency_scan import DependencyScan, Reachability, probe_service
from shopkart_pipeline.adapters.detect_secrets import DetectSecrets
from shopkart_pipeline.adapters.eslint import Eslint
from shopkart_pipeline.adapters.gitleaks import Gitleaks
from shopkart_pipeline.adapters.hadolint import Hadolint
from shopkart_pipeline.adapters.image_packages import ImagePackages
from shopkart_pipeline.adapters.kubernetes.manifest_check import ManifestCheck
from shopkart_pipeline.adapters.load_generator import LoadGenerator
from shopkart_pipeline.adapters.new_code_quality import NewCodeQuality
from shopkart_pipeline.adapters.npm_audit import NpmAudit
from shopkart_pipeline.adapters.osv import OsvSnapshot
from shopkart_pipeline.adapters.osv_service import OsvService
from shopkart_pipeline.adapters.pip_audit import PipAudit
from shopkart_pipeline.adapters.preferred import Preferred
from shopkart_pipeline.adapters.quality_scan import QualityScan
from shopkart_pipeline.adapters.ruff import Ruff
from shopkart_pipeline.adapters.sonarqube import SonarQube
from shopkart_pipeline.adapters.trivy import Trivy
from shopkart_pipeline.adapters.trivy_fs import TrivyFs
from shopkart_pipeline.domain.declaration import Environment, StageKind
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.scanner import Scanner
from shopkart_pipeline.ports.scm import SourceControl
from shopkart_pipeline.receiver_wiring import sonarqube_hints
from shopkart_pipeline.settings import Settings


def build_scanners(
    settings: Settings, scm: SourceControl, clock: Clock, environments: Mapping[str, Environment]
) -> dict[StageKind, tuple[Scanner, ...]]:
    """Starts and opens nothing."""
    home, command = settings.home, DeclaredCommand(scm)
    secret_names = settings.finding_names_key or home / "secrets" / "finding-names"
    snapshot, live = OsvSnapshot(clock), OsvService(settings.advisory_service, home / "cache" / "advisories")
    of_one_ecosystem = (PipAudit(settings.advisory_service), NpmAudit())
    probe = partial(probe_service, settings.advisory_service)
    reachability = Reachability(probe, home / "cache" / "advisory-service.json", clock)
    access, embedded = Access(settings.sonar_token), NewCodeQuality(scm)
    sonarqube = SonarQube(access, sonarqube_hints(settings), home / "cache" / "sonarqube", clock)
    advisories, image_packages = DependencyScan(live, snapshot, reachability), ImagePackages(clock)
    trivy, trivy_fs = Trivy(home / "cache" / "trivy", clock), TrivyFs(home / "cache" / "trivy", clock)
    return {
        StageKind.LINT: (Combined((Hadolint(),), any_of=(Ruff(), Eslint())), command),
        StageKind.QUALITY: (QualityScan(sonarqube, embedded, access), sonarqube, embedded, command),
        StageKind.SECRET_SCAN: (Gitleaks(scm, secret_names), DetectSecrets(scm, secret_names), command),
        StageKind.DEPENDENCY_SCAN: (
            Preferred(advisories, trivy_fs),
            advisories,
            trivy_fs,
            live,
            snapshot,
            *of_one_ecosystem,
            command,
        ),
        StageKind.IMAGE_SCAN: (Preferred(trivy, image_packages), trivy, image_packages, command),
        StageKind.MANIFESTS: (ManifestCheck(environments), command),
        StageKind.UNIT_TESTS: (command,),
        StageKind.INTEGRATION_TESTS: (command,),
        StageKind.ACCEPTANCE_TESTS: (command,),
        StageKind.COMPATIBILITY: (command,),
        StageKind.LOAD_TEST: (LoadGenerator(clock),),
        StageKind.COMMAND: (command,),
    }
