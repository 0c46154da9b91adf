"""What every scanner owes its callers: one suite over the fake and over all real tools.

A tool never raises for what it is given, never writes into the trees, leaves nothing that names the machine or a secret
in its raw reports, and where it could not look it says why instead of finding nothing.
"""

import hashlib
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._sonarqube_access import Access
from shopkart_pipeline.adapters._sonarqube_hints import Hints
from shopkart_pipeline.adapters.combined import Combined
from shopkart_pipeline.adapters.declared_command import DeclaredCommand
from shopkart_pipeline.adapters.dependency_scan import DependencyScan, Reachability
from shopkart_pipeline.adapters.detect_secrets import DetectSecrets
from shopkart_pipeline.adapters.eslint import Eslint
from shopkart_pipeline.adapters.gitleaks import Gitleaks
from shopkart_pipeline.adapters.hadolint import Hadolint
from shopkart_pipeline.adapters.image_packages import ImagePackages
from shopkart_pipeline.adapters.new_code_quality import NewCodeQuality
from shopkart_pipeline.adapters.npm_audit import NpmAudit
from shopkart_pipeline.adapters.oci_layout import OciLayoutBuilder
from shopkart_pipeline.adapters.osv import OsvSnapshot
from shopkart_pipeline.adapters.osv_service import OsvService
from shopkart_pipeline.adapters.pip_audit import PipAudit
from shopkart_pipeline.adapters.preferred import Preferred
from shopkart_pipeline.adapters.quality_scan import QualityScan
from shopkart_pipeline.adapters.ruff import Ruff
from shopkart_pipeline.adapters.sonarqube import SonarQube
from shopkart_pipeline.adapters.trivy import Trivy
from shopkart_pipeline.adapters.trivy_fs import TrivyFs
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest
from shopkart_pipeline_tests.advisory_snapshots import an_advisory, snapshot_files
from shopkart_pipeline_tests.contract import images
from shopkart_pipeline_tests.fakes.fake_npm_registry import npm_registry
from shopkart_pipeline_tests.fakes.fake_osv import a_service as an_osv_service
from shopkart_pipeline_tests.fakes.fake_osv import osv_service
from shopkart_pipeline_tests.fakes.fake_scanner import FakeScanner
from shopkart_pipeline_tests.fakes.fake_scm import FakeSourceControl
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.package_locks import package_lock
from shopkart_pipeline_tests.scan_requests import NOON, a_release, a_request, a_service, a_stage, write_files
from shopkart_pipeline_tests.trivy_database import write_database

SECRET = "AKIA" + "Z7QX4M2N5P6R3T4W"
ESLINT = 'export default [{ rules: { "no-debugger": "error", "no-unused-vars": "error" } }];\n'
GOOD = {
    "backend/app.py": 'def total(prices):\n    """The sum."""\n    return sum(prices)\n',
    "backend/Dockerfile": "FROM debian:12\nUSER 1000\n",
    "backend/eslint.config.mjs": ESLINT,
    "backend/web/total.js": "export const total = (prices) => prices.reduce((sum, price) => sum + price, 0);\n",
    "backend/requirements.lock": "starlette==0.38.0\n",
    "web/package-lock.json": package_lock({"lodash": "4.17.21"}),
    **snapshot_files(an_advisory()),
}
BAD = {
    "backend/app.py": f'import os\n\nKEY = "{SECRET}"\n\n\ndef run(items=[]):\n    return eval(items)\n',
    "backend/Dockerfile": "FROM debian\nRUN cd /tmp\n",
    "backend/eslint.config.mjs": ESLINT,
    "backend/web/total.js": f'var KEY = "{SECRET}";\nrun(;\n',
    "backend/web/sum.js": f'const key = "{SECRET}"; debugger;\n',
    "backend/requirements.lock": "starlette==0.30.0\n",
    "web/package-lock.json": package_lock({"lodash": "4.17.15"}),
    **snapshot_files(an_advisory()),
}
NONSENSE: dict[str, str | bytes] = {
    "backend/app.py": b"\xff\xfe\x00 def (((\n",
    "backend/Dockerfile": b"\x00\x01\x02",
    "backend/eslint.config.mjs": b"\xff export default (((",
    "backend/web/total.js": b"\x00\xff",
    "backend/requirements.lock": b"\xff\xff ]]] == \n",
    "backend/pyproject.toml": b"[[[",
    "web/package-lock.json": b"{\xff",
    "advisories/snapshot.json": b"\xff",
    "advisories/0.json": b"]",
}
OF_NPM = an_advisory(
    "GHSA-0000-0000-0002",
    "lodash",
    ecosystem="npm",
    events=[{"introduced": "0"}, {"fixed": "4.17.21"}],
    database_specific={"severity": "HIGH"},
)
COMMAND = ("{python}", "-c", "open('written', 'w').write('x')")


class World:
    """A release to look at, and the source control that it came from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scm = FakeSourceControl()
        self.servers = ExitStack()
        self.options: dict[str, str] = {}

    def osv(self) -> OsvService:
        """A live service that knows of what the bad release is vulnerable to."""
        service = an_osv_service(an_advisory())
        return OsvService(self.servers.enter_context(osv_service(service)), self.folder / "advisories")

    def npm_audit(self) -> NpmAudit:
        """npm, for the lock beside the service, with a registry that knows of what the bad release is vulnerable to."""
        self.options = {"lock": "../web/package-lock.json"}
        return NpmAudit(self.servers.enter_context(npm_registry(OF_NPM)))

    def request(self, files: dict[str, str | bytes] | dict[str, str]) -> ScanRequest:
        base = self.scm.add({path: text.encode() for path, text in GOOD.items()})
        sha = self.scm.add({path: text.encode() if isinstance(text, str) else text for path, text in files.items()})
        stage = a_stage(StageKind.UNIT_TESTS, command=COMMAND, options=self.options)
        request = a_request(
            self.folder,
            {**files},
            {**GOOD},
            stage=stage,
            service=a_service("backend", ("servicekit",), stage),
            release=a_release(sha, base),
            environment=Path(sys.prefix),
            image=self.image(),
        )
        return replace(request, base_commit=base)

    def image(self) -> Path:
        request = images.a_request(self.folder / "image")
        OciLayoutBuilder(self.folder / "layers").build(request)
        return request.layout


def sonarqube(world: World) -> SonarQube:
    """Without a server; `unit/adapters/test_sonarqube.py` has one."""
    return SonarQube(Access(""), Hints(world.folder / "hints"), world.folder / "sonar", FixedClock(NOON), [])


MAKERS: dict[str, Callable[[World], Scanner]] = {
    "fake": lambda world: FakeScanner(),
    "ruff": lambda world: Ruff(),
    "hadolint": lambda world: Hadolint(),
    "eslint": lambda world: Eslint(),
    "combined": lambda world: Combined([Hadolint()], any_of=[Ruff(), Eslint()]),
    "command": lambda world: DeclaredCommand(world.scm),
    "new-code": lambda world: NewCodeQuality(world.scm),
    "sonarqube": sonarqube,
    "quality": lambda world: QualityScan(sonarqube(world), NewCodeQuality(world.scm), Access("")),
    "detect-secrets": lambda world: DetectSecrets(world.scm, world.folder / "key"),
    "gitleaks": lambda world: Gitleaks(world.scm, world.folder / "key"),
    "osv-snapshot": lambda world: OsvSnapshot(FixedClock(NOON)),
    "osv": World.osv,
    "osv-away": lambda world: OsvService("http://127.0.0.1:9", world.folder / "advisories"),
    "npm-audit": World.npm_audit,
    "pip-audit": lambda world: PipAudit("http://127.0.0.1:9"),
    "advisories": lambda world: DependencyScan(
        OsvService("http://127.0.0.1:9", world.folder / "advisories"),
        OsvSnapshot(FixedClock(NOON)),
        Reachability(lambda: "not here", world.folder / "reached.json", FixedClock(NOON)),
    ),
    "image-packages": lambda world: ImagePackages(FixedClock(NOON)),
    "trivy": lambda world: Trivy(write_database(world.folder / "trivy", NOON), FixedClock(NOON)),
    "trivy-fs": lambda world: TrivyFs(write_database(world.folder / "trivy", NOON), FixedClock(NOON)),
    "preferred": lambda world: Preferred(
        Trivy(world.folder / "trivy", FixedClock(NOON)), ImagePackages(FixedClock(NOON))
    ),
}
READS_THE_TREE = sorted(set(MAKERS) - {"fake", "command", "image-packages", "trivy", "preferred"})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    with world.servers:
        yield world


@pytest.fixture(params=sorted(MAKERS))
def scanner(request: pytest.FixtureRequest, world: World) -> Scanner:
    return MAKERS[request.param](world)


def fingerprint_of_tree(folder: Path | None) -> dict[str, tuple[int, str]]:
    assert folder is not None
    return {
        str(path.relative_to(folder)): (
            stat.S_IMODE(path.stat().st_mode),
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("files", [GOOD, BAD, NONSENSE], ids=["good", "bad", "nonsense"])
def test_no_tool_raises_or_writes_into_the_trees(scanner: Scanner, world: World, files: dict[str, str | bytes]) -> None:
    request = world.request(files)
    before = fingerprint_of_tree(request.tree), fingerprint_of_tree(request.base_tree)

    scanner.scan(request)

    assert (fingerprint_of_tree(request.tree), fingerprint_of_tree(request.base_tree)) == before


def test_evidence_is_complete_and_missing_evidence_says_why(scanner: Scanner, world: World) -> None:
    match scanner.scan(world.request(BAD)).result:
        case Evidence() as evidence:
            assert evidence.tool.name
            assert evidence.tool.version
            assert evidence.summary
            assert len({finding.fingerprint for finding in evidence.findings}) == len(evidence.findings)
        case EvidenceMissing() as missing:
            assert missing.reason
            assert "\n" not in missing.reason


def test_no_secret_and_no_place_of_the_machine_is_told(scanner: Scanner, world: World) -> None:
    run = scanner.scan(world.request(BAD))

    told = repr(run).encode() + b"".join(report.content for report in run.raw)
    assert SECRET.encode() not in told
    assert all(str(world.folder).encode() not in report.content for report in run.raw)


def test_asking_whether_a_tool_is_there_answers_in_words(scanner: Scanner) -> None:
    answer = scanner.unavailable()

    assert answer is None or answer.strip()


def test_an_unavailable_tool_leaves_no_evidence(scanner: Scanner, world: World) -> None:
    request = world.request(GOOD)
    reason = scanner.unavailable()

    if reason is not None:
        assert isinstance(scanner.scan(request).result, EvidenceMissing)


@pytest.mark.parametrize("name", READS_THE_TREE)
def test_an_empty_tree_is_not_clean(name: str, world: World) -> None:
    request = world.request(GOOD)
    empty = replace(
        request, tree=write_files(world.folder / "empty", {}), release=a_release(request.release.sha, "0" * 40)
    )
    scanner = MAKERS[name](world)
    result = scanner.scan(empty).result

    if name in ("detect-secrets", "gitleaks") and scanner.unavailable() is None:
        # The files of the commits are there even where the tree is empty.
        assert isinstance(result, Evidence)
    elif name == "hadolint":
        assert isinstance(result, Evidence)
        assert result.notes == ("The service has no Dockerfile.",)
    else:
        assert isinstance(result, EvidenceMissing)


def test_running_twice_finds_the_same(scanner: Scanner, world: World) -> None:
    request = world.request(BAD)
    again = replace(request, scratch=world.folder / "again")
    again.scratch.mkdir()

    first, second = scanner.scan(request).result, scanner.scan(again).result

    if isinstance(first, Evidence):
        assert isinstance(second, Evidence)
        assert first.findings == second.findings
        assert first.measures == second.measures
