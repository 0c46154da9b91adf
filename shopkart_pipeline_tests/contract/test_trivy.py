"""The real trivy over a database made by hand: images, locks, suppressed findings, and what happens without data."""

import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._process import Command, run
from shopkart_pipeline.adapters._trivy_program import trivy_executable
from shopkart_pipeline.adapters.image_packages import ImagePackages
from shopkart_pipeline.adapters.oci_layout import OciLayoutBuilder
from shopkart_pipeline.adapters.preferred import Preferred
from shopkart_pipeline.adapters.trivy import Trivy
from shopkart_pipeline.adapters.trivy_fs import TrivyFs
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import Severity, ToolRun
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.advisory_snapshots import an_advisory, snapshot_files
from shopkart_pipeline_tests.contract import images
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.scan_requests import NOON, SAMPLES, a_request, a_stage, evidence_of, reason_of
from shopkart_pipeline_tests.trivy_database import GLIBC, LODASH, NO_FIX, STARLETTE, write_database

CLOCK = FixedClock(NOON)
LOCK = "backend/requirements.lock"
OLD = {LOCK: "starlette==0.30.0 \\\n    --hash=sha256:00\n    # via x\nh11[extra]==0.14.0 ; python_version >= '3.8'\n"}
NEW = {LOCK: OLD[LOCK].replace("0.30.0", "0.41.0")}
VEX = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://shopkart.example/vex/1",
    "author": "ShopKart",
    "timestamp": "2025-03-01T00:00:00Z",
    "version": 1,
    "statements": [
        {
            "vulnerability": {"name": STARLETTE},
            "products": [{"@id": "pkg:pypi/starlette@0.30.0"}],
            "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
        }
    ],
}
IGNORED = f"""\
vulnerabilities:
  - id: {STARLETTE}
    paths: [backend/requirements.lock]
    expired_at: {{expires}}
    statement: No form is parsed
"""
DEBIAN_FILES = {"etc/debian_version": "12.5\n"}
DPKG = "".join(
    f"Package: {name}\nStatus: install ok installed\nSource: glibc\nVersion: 2.36-9+deb12u4\nArchitecture: amd64\n\n"
    for name in ("libc6", "libc-bin")
)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return write_database(tmp_path / "cache", NOON - timedelta(hours=3))


def locks(folder: Path, cache: Path, files: Mapping[str, str], base: Mapping[str, str] | None = None, **options: str):
    stage = a_stage(StageKind.DEPENDENCY_SCAN, options=options, timeout_seconds=60.0)
    return TrivyFs(cache, CLOCK).scan(a_request(folder, files, base, stage=stage))


def image_request(folder: Path, files: Mapping[str, str], base: Mapping[str, str] | None = None) -> ScanRequest:
    request = images.a_request(folder / "image", files=files)
    OciLayoutBuilder(folder / "layers").build(request)
    stage = a_stage(StageKind.IMAGE_SCAN, timeout_seconds=60.0)
    return a_request(folder, snapshot_files(an_advisory()), base, stage=stage, image=request.layout)


def system_image(folder: Path, files: Mapping[str, str]) -> Path:
    """An image of one layer with these files, as a layout."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    (folder / "blobs" / "sha256").mkdir(parents=True)

    def blob(kind: str, content: bytes) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        (folder / "blobs" / "sha256" / digest).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    tar = blob("layer.v1.tar", layer.getvalue())
    configuration = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [tar["digest"]]}}
    config = blob("config.v1+json", json.dumps({**configuration, "config": {"User": "1000"}}).encode())
    parts = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}
    manifest = blob("manifest.v1+json", json.dumps({**parts, "config": config, "layers": [tar]}).encode())
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def nothing_of_this_machine(run: ToolRun, folder: Path) -> bool:
    return str(folder).encode() not in b"".join(report.content for report in run.raw)


def test_a_lock_is_judged_and_what_the_base_had_is_not_new(tmp_path: Path, cache: Path) -> None:
    run = locks(tmp_path, cache, OLD, OLD)

    evidence = evidence_of(run)
    [finding] = evidence.findings
    assert (finding.rule, finding.package, finding.fixed_in) == (STARLETTE, "starlette", "0.40.0")
    assert (finding.severity, finding.path, finding.line, finding.is_new) == (Severity.HIGH, LOCK, 1, False)
    assert evidence.measures == {
        "vulnerabilities": 1,
        "new_vulnerabilities": 0,
        "packages": 2,
        "suppressed": 0,
        "snapshot_age_days": 0.125,
    }
    assert evidence.tool.version.startswith("0.")
    assert evidence.tool.rules == "trivy's vulnerability database of 2025-03-04T09:00:00Z"
    assert nothing_of_this_machine(run, tmp_path)


def test_a_vulnerable_version_that_comes_with_the_release_is_new(tmp_path: Path, cache: Path) -> None:
    evidence = evidence_of(locks(tmp_path, cache, OLD, NEW))

    assert evidence.measures["new_vulnerabilities"] == 1


def test_a_lock_of_npm_is_judged_with_what_only_development_needs(tmp_path: Path, cache: Path) -> None:
    lock = (SAMPLES / "npm_audit/package-lock.json").read_text()

    evidence = evidence_of(locks(tmp_path, cache, {"backend/package-lock.json": lock}))

    assert LODASH in {finding.rule for finding in evidence.findings}


def test_a_lock_of_any_name_is_read_where_it_is_declared_and_no_other(tmp_path: Path, cache: Path) -> None:
    files = {"backend/locked/prod+1.txt": "h11==0.14.0\n", "backend/requirements.txt": "starlette==0.30.0\n"}

    evidence = evidence_of(locks(tmp_path, cache, files, lock="locked/prod+1.txt"))

    assert (evidence.measures["packages"], evidence.findings) == (1, ())


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"backend/app.py": "x = 1\n"}, "trivy found no package in backend"),
        ({LOCK: "starlette>=0.30\nh11==0.14.0\n"}, "starlette is not pinned to one version"),
        ({LOCK: "h11 @ https://pypi.example/h11.whl\nx==1\n"}, "h11 is not pinned"),
    ],
)
def test_a_lock_that_trivy_reads_in_part_is_no_evidence(
    tmp_path: Path, cache: Path, files: dict[str, str], reason: str
) -> None:
    assert reason in reason_of(locks(tmp_path, cache, files))


def test_a_vex_document_suppresses_and_is_shown(tmp_path: Path, cache: Path) -> None:
    files = {**OLD, "security/starlette.vex.json": json.dumps(VEX)}

    run = locks(tmp_path, cache, files, vex="security/starlette.vex.json")

    evidence = evidence_of(run)
    assert (evidence.findings, evidence.measures["suppressed"]) == ((), 1)
    assert evidence.notes[1] == (
        f"{STARLETTE} in starlette does not count, not_affected by security/starlette.vex.json: "
        "vulnerable_code_not_in_execute_path."
    )
    assert b'"Source": "security/starlette.vex.json"' in run.raw[0].content


def test_a_first_vex_document_leaves_known_what_the_base_had(tmp_path: Path, cache: Path) -> None:
    other = json.loads(json.dumps(VEX).replace(STARLETTE, "CVE-2000-1"))

    evidence = evidence_of(locks(tmp_path, cache, {**OLD, "v.json": json.dumps(other)}, OLD, vex="v.json"))

    assert [finding.is_new for finding in evidence.findings] == [False]


def test_an_entry_of_the_ignore_file_counts_until_it_expires(tmp_path: Path, cache: Path) -> None:
    def scanned(name: str, expires: str):
        return evidence_of(locks(tmp_path / name, cache, {**OLD, ".trivyignore.yaml": IGNORED.format(expires=expires)}))

    before, after = scanned("before", "2025-03-05"), scanned("after", "2025-03-04")

    assert (before.findings, before.measures["suppressed"]) == ((), 1)
    assert f"{STARLETTE} in starlette does not count, ignored by .trivyignore.yaml: No form is parsed." in before.notes
    assert (len(after.findings), after.measures["suppressed"]) == (1, 0)
    assert f"1 entries of .trivyignore.yaml don't count: {STARLETTE} expired on 2025-03-04." in after.notes


def test_what_was_suppressed_at_the_base_is_new_when_it_comes_back(tmp_path: Path, cache: Path) -> None:
    base = {**OLD, ".trivyignore.yaml": IGNORED.format(expires="2025-03-04")}

    evidence = evidence_of(locks(tmp_path, cache, base, base))

    assert [finding.is_new for finding in evidence.findings] == [True]


def test_an_image_of_an_application_is_judged_against_the_locks_of_the_base(tmp_path: Path, cache: Path) -> None:
    files = {"deps/starlette-0.30.0.dist-info/METADATA": "Name: Starlette\nVersion: 0.30.0\n", "app/shop.py": ""}

    old = Trivy(cache, CLOCK).scan(image_request(tmp_path / "old", files, OLD))
    new = Trivy(cache, CLOCK).scan(image_request(tmp_path / "new", files, NEW))

    assert [finding.is_new for run in (old, new) for finding in evidence_of(run).findings] == [False, True]
    assert evidence_of(old).findings[0].path == "app/deps/starlette-0.30.0.dist-info/METADATA"
    assert nothing_of_this_machine(old, tmp_path)
    assert b"PYTHONPATH" not in old.raw[0].content


def test_packages_of_the_operating_system_are_judged_and_count_as_new(tmp_path: Path, cache: Path) -> None:
    image = system_image(tmp_path / "layout", {**DEBIAN_FILES, "var/lib/dpkg/status": DPKG})

    run = Trivy(cache, CLOCK).scan(a_request(tmp_path, OLD, OLD, image=image))

    evidence = evidence_of(run)
    assert nothing_of_this_machine(run, tmp_path)
    assert {(one.rule, one.package, one.severity, one.fixed_in, one.is_new) for one in evidence.findings} == {
        (GLIBC, "libc6", Severity.CRITICAL, "2.36-9+deb12u6", True),
        (GLIBC, "libc-bin", Severity.CRITICAL, "2.36-9+deb12u6", True),
        (NO_FIX, "libc6", Severity.LOW, None, True),
        (NO_FIX, "libc-bin", Severity.LOW, None, True),
    }
    assert evidence.notes[1:] == (
        "Packages of the operating system count as new: what the base image had is not known.",
    )


def test_an_operating_system_that_is_not_supported_any_more_is_a_finding(tmp_path: Path, cache: Path) -> None:
    image = system_image(tmp_path / "layout", {"etc/debian_version": "7.1\n", "var/lib/dpkg/status": DPKG})

    [finding] = evidence_of(Trivy(cache, CLOCK).scan(a_request(tmp_path, {}, image=image))).findings

    assert (finding.rule, finding.package, finding.installed_version) == ("end-of-life", "debian", "7.1")
    assert finding.severity is Severity.HIGH
    assert finding.fixed_in


def test_an_operating_system_that_trivy_does_not_know_is_told(tmp_path: Path, cache: Path) -> None:
    metadata = {"usr/lib/python3/dist-packages/six-1.0.dist-info/METADATA": "Name: six\nVersion: 1.0\n"}
    image = system_image(tmp_path / "layout", {**metadata, "var/lib/dpkg/status": DPKG})

    evidence = evidence_of(Trivy(cache, CLOCK).scan(a_request(tmp_path, {}, image=image)))

    assert evidence.measures["packages"] == 1
    assert evidence.notes[1:] == (
        "Trivy saw no packages of an operating system in the image: what a base brings was not judged.",
    )


@pytest.mark.parametrize("files", [{}, {**DEBIAN_FILES, "var/lib/dpkg/status": ""}])
def test_an_image_without_packages_was_not_looked_at(tmp_path: Path, cache: Path, files: dict[str, str]) -> None:
    image = system_image(tmp_path / "layout", files)

    assert reason_of(Trivy(cache, CLOCK).scan(a_request(tmp_path, {}, image=image))) == (
        "trivy found no package in the image"
    )


def test_a_stale_database_is_no_evidence_and_one_that_is_due_is_told(tmp_path: Path) -> None:
    old = write_database(tmp_path / "old", NOON - timedelta(days=8))
    due = write_database(tmp_path / "due", NOON - timedelta(days=2))

    stale = locks(tmp_path / "1", old, OLD, database="127.0.0.1:9/trivy-db")
    usable = locks(tmp_path / "2", due, OLD, database="127.0.0.1:9/trivy-db")

    assert "the advisories are of 2025-02-24, 8.0 days old; at most 7 (fetching trivy's database" in reason_of(stale)
    assert "A newer database could not be fetched" in evidence_of(usable).notes[1]
    assert evidence_of(usable).measures["snapshot_age_days"] == 2


def test_without_a_database_the_scan_says_so_and_another_one_takes_its_place(tmp_path: Path) -> None:
    files = {"deps/starlette-0.30.0.dist-info/METADATA": "Name: starlette\nVersion: 0.30.0\n", "app/shop.py": ""}
    request = image_request(tmp_path, files)
    options = {"database": "127.0.0.1:9/trivy-db"}
    request = replace(request, stage=replace(request.stage, options=options))
    trivy = Trivy(tmp_path / "cache", CLOCK)

    alone = trivy.scan(request)
    together = Preferred(trivy, ImagePackages(CLOCK)).scan(request)

    assert reason_of(alone).startswith("trivy has no vulnerability database (fetching trivy's database ended")
    assert evidence_of(together).tool.name == "image-packages"
    assert evidence_of(together).notes[-1].startswith("Trivy could not be asked: trivy has no vulnerability database")


def test_a_damaged_database_is_no_evidence(tmp_path: Path, cache: Path) -> None:
    (cache / "db" / "trivy.db").write_bytes(b"\0" * 5000)

    assert reason_of(locks(tmp_path, cache, OLD)).startswith("trivy ended with exit code 1")


def test_its_dates_are_those_that_trivy_itself_tells(tmp_path: Path, cache: Path) -> None:
    executable = trivy_executable()
    assert executable is not None
    done = run(
        Command([executable, "version", "--format", "json", "--cache-dir", str(cache)], tmp_path, 60.0, capture=True)
    )

    metadata = json.loads((cache / "db" / "metadata.json").read_text())
    told = json.loads(done.stdout)["VulnerabilityDB"]
    assert told["UpdatedAt"] == metadata["UpdatedAt"].replace("+00:00", "Z")


def test_scans_of_several_releases_at_once_don_t_wait_for_each_other(tmp_path: Path, cache: Path) -> None:
    runs: dict[int, ToolRun] = {}

    def scan(number: int) -> None:
        runs[number] = locks(tmp_path / str(number), cache, OLD)

    threads = [threading.Thread(target=scan, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [evidence_of(runs[number]).measures["vulnerabilities"] for number in range(4)] == [1] * 4
