"""The embedded image scan, over real OCI layouts of the embedded builder."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._oci import read_manifest
from shopkart_pipeline.adapters.image_packages import ImagePackages
from shopkart_pipeline.adapters.oci_layout import OciLayoutBuilder
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline_tests.advisory_snapshots import an_advisory, snapshot_files
from shopkart_pipeline_tests.contract import images
from shopkart_pipeline_tests.contract.images import with_configuration
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.scan_requests import a_request, evidence_of, reason_of

SCANNER = ImagePackages(FixedClock(datetime(2025, 3, 4, 12, tzinfo=UTC)))
SNAPSHOT = snapshot_files(an_advisory(database_specific={"severity": "HIGH"}))
PACKAGES = {
    "deps/starlette-0.38.0.dist-info/METADATA": "Name: Starlette\nVersion: 0.38.0\n\nbody\n",
    "deps/old.egg-info/PKG-INFO": "Name: old\nVersion: 1.0\n",
    "app/shop/__init__.py": "",
}


def layout(folder: Path, files: dict[str, str]) -> Path:
    """An image of these files."""
    request = images.a_request(folder, files=files)
    OciLayoutBuilder(folder / "cache").build(request)
    return request.layout


def scan_request(folder: Path, image: Path | None, base_lock: str | None = None) -> ScanRequest:
    base = None if base_lock is None else {"backend/requirements.lock": base_lock}
    digest = read_manifest(image).digest if image is not None else None
    return a_request(folder, SNAPSHOT, base, image=image, image_digest=digest)


def test_a_vulnerable_package_inside_of_the_image_is_a_finding(tmp_path: Path) -> None:
    run = SCANNER.scan(scan_request(tmp_path, layout(tmp_path / "image", PACKAGES)))

    evidence = evidence_of(run)
    [finding] = evidence.findings
    assert (finding.package, finding.installed_version, finding.fixed_in) == ("starlette", "0.38.0", "0.40.0")
    assert finding.path is None
    assert (evidence.measures["packages"], evidence.measures["vulnerabilities"]) == (2, 1)
    assert run.raw[0].content == b"old==1.0\nstarlette==0.38.0\n"


def test_what_the_lock_in_production_had_is_not_new(tmp_path: Path) -> None:
    image = layout(tmp_path / "image", PACKAGES)

    known = evidence_of(SCANNER.scan(scan_request(tmp_path / "a", image, "starlette==0.37.0\n")))
    new = evidence_of(SCANNER.scan(scan_request(tmp_path / "b", image, "h11==0.16.0\n")))

    assert [finding.is_new for finding in (*known.findings, *new.findings)] == [False, True]


def test_an_image_without_any_package_was_not_looked_at(tmp_path: Path) -> None:
    image = layout(tmp_path / "image", {"app/shop/__init__.py": ""})

    assert "no installed package" in reason_of(SCANNER.scan(scan_request(tmp_path, image)))


def test_what_can_not_be_judged_is_said(tmp_path: Path) -> None:
    image = layout(tmp_path / "image", PACKAGES)

    evidence = evidence_of(SCANNER.scan(scan_request(tmp_path, image)))

    assert evidence.measures["system_packages"] == 0
    assert "lists no packages of an operating system" in evidence.notes[-1]


NODE = {
    "app/node_modules/minimist/package.json": '{"name": "minimist", "version": "1.2.0"}',
    "app/node_modules/minimist/test/package.json": '{"name": "inner", "version": "1.0.0"}',
    "app/node_modules/@shop/ui/package.json": '{"name": "@shop/ui", "version": "2.0.0"}',
    "app/node_modules/sample/package.json": '{"type": "module"}',
    "app/node_modules/broken/package.json": "{",
    "app/package.json": '{"name": "storefront", "version": "1.0.0"}',
}


def test_packages_of_npm_inside_of_the_image_are_judged_too(tmp_path: Path) -> None:
    advisory = an_advisory("A-2", "minimist", ecosystem="npm", events=[{"introduced": "0"}, {"fixed": "1.2.6"}])
    image = layout(tmp_path / "image", NODE)

    run = SCANNER.scan(a_request(tmp_path, snapshot_files(an_advisory(), advisory), image=image))

    assert [finding.package for finding in evidence_of(run).findings] == ["minimist"]
    assert run.raw[0].content == b"@shop/ui@2.0.0\nminimist@1.2.0\n"


def test_packages_that_the_snapshot_knows_nothing_of_are_said(tmp_path: Path) -> None:
    both = evidence_of(SCANNER.scan(scan_request(tmp_path / "a", layout(tmp_path / "one", PACKAGES | NODE))))
    alone = SCANNER.scan(scan_request(tmp_path / "b", layout(tmp_path / "two", NODE)))

    assert "2 packages of npm are in the image; the snapshot knows nothing of them." in both.notes
    assert reason_of(alone) == "the advisory snapshot knows nothing of the image's packages"


def test_advisories_that_are_too_old_are_no_evidence(tmp_path: Path) -> None:
    later = ImagePackages(FixedClock(datetime(2025, 4, 1, 12, tzinfo=UTC)))

    run = later.scan(scan_request(tmp_path, layout(tmp_path / "image", PACKAGES)))

    assert reason_of(run) == "the advisories are of 2025-03-01, 31.0 days old; at most 30: renew the snapshot"


def test_an_image_that_runs_as_root_is_a_finding(tmp_path: Path) -> None:
    image = with_configuration(layout(tmp_path / "image", PACKAGES), User="0:0")

    found = {finding.rule: finding for finding in evidence_of(SCANNER.scan(scan_request(tmp_path, image))).findings}

    assert found["image-user"].severity is Severity.MEDIUM


def test_a_variable_that_looks_like_a_credential_is_a_finding_without_its_value(tmp_path: Path) -> None:
    variables = ["PATH=/bin", "DB_PASSWORD=hunter2hunter2", "API_TOKEN="]
    image = with_configuration(layout(tmp_path / "image", PACKAGES), Env=variables)

    run = SCANNER.scan(scan_request(tmp_path, image))

    [finding] = [one for one in evidence_of(run).findings if one.rule == "image-variable"]
    assert finding.severity is Severity.HIGH
    assert "DB_PASSWORD" in finding.message
    assert "hunter2" not in repr(run)


def test_another_image_than_the_one_meant_is_no_evidence(tmp_path: Path) -> None:
    request = scan_request(tmp_path, layout(tmp_path / "image", PACKAGES))

    run = SCANNER.scan(replace(request, image_digest=f"sha256:{'0' * 64}"))

    assert "the layout holds sha256:" in reason_of(run)


def test_a_damaged_image_is_no_evidence(tmp_path: Path) -> None:
    image = layout(tmp_path / "image", PACKAGES)
    request = scan_request(tmp_path, image)
    layer = max((image / "blobs/sha256").iterdir(), key=lambda blob: blob.stat().st_size)
    layer.chmod(0o644)
    layer.write_bytes(layer.read_bytes()[:-20])

    assert "the image can't be read" in reason_of(SCANNER.scan(request))


@pytest.mark.parametrize("image", [None, Path("/nonexistent")])
def test_no_image_is_no_evidence(tmp_path: Path, image: Path | None) -> None:
    request = replace(a_request(tmp_path, SNAPSHOT), image=image)

    assert "image" in reason_of(SCANNER.scan(request))


def test_no_snapshot_is_no_evidence(tmp_path: Path) -> None:
    request = a_request(tmp_path, {}, image=layout(tmp_path / "image", PACKAGES))

    assert "no usable advisory snapshot" in reason_of(SCANNER.scan(request))
