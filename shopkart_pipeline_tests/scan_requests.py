"""Requests to scanners, complete with a service and a release, for tests that care about a few of their parts."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shopkart_pipeline.domain.declaration import Phase, Service, Source, Stage, StageKind, Workload
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, ToolRun
from shopkart_pipeline.domain.release import Person, Release, release_key
from shopkart_pipeline.ports.scanner import ScanRequest

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)
SHA = "c0ffee" + "0" * 34
BASE = "ba5e" + "0" * 36
SAMPLES = Path(__file__).parent / "samples"


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Make `folder` with these files in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def a_stage(kind: StageKind = StageKind.LINT, timeout_seconds: float = 30.0, **details: Any) -> Stage:
    return Stage(kind.value, kind, Phase.CI, (), timeout_seconds, **details)


def a_service(path: str = "backend", shared_paths: tuple[str, ...] = (), *stages: Stage, remote: str = "") -> Service:
    workload = Workload(
        command=("python", "-m", "storefront_backend"),
        startup_path="/startup",
        readiness_path="/ready",
        liveness_path="/live",
        metrics_path="/metrics",
        startup_deadline_seconds=10.0,
        drain_seconds=5.0,
        port=8080,
        variables={},
    )
    source = Source("shopkart/storefront", remote, "main", path, shared_paths)
    return Service("backend", ("team-shop@shopkart.example",), source, stages, (), workload, {})


def a_release(sha: str = SHA, previous_sha: str | None = BASE) -> Release:
    ana = Person("Ana", "ana@shopkart.example")
    return Release(
        service="backend",
        key=release_key(sha, NOON),
        repository="shopkart/storefront",
        branch="main",
        sha=sha,
        previous_sha=previous_sha,
        title="change",
        author=ana,
        people=(ana.email,),
        actor="ana",
        delivery_id="d-1",
        received_at=NOON,
    )


def a_request(
    folder: Path,
    files: Mapping[str, str | bytes],
    base_files: Mapping[str, str | bytes] | None = None,
    *,
    stage: Stage | None = None,
    service: Service | None = None,
    release: Release | None = None,
    **details: Any,
) -> ScanRequest:
    """A request about a tree with these files, and a base with `base_files` where they are given."""
    base_tree = None if base_files is None else write_files(folder / "base", base_files)
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    stage = stage or a_stage()
    return ScanRequest(
        release=release or a_release(),
        service=service or a_service("backend", ("servicekit",), stage),
        stage=stage,
        tree=write_files(folder / "tree", files),
        scratch=scratch,
        log=folder / "logs" / "stage.log",
        base_commit=None if base_tree is None else BASE,
        base_tree=base_tree,
        **details,
    )


def evidence_of(run: ToolRun) -> Evidence:
    """The evidence, which must be there."""
    assert isinstance(run.result, Evidence), run.result
    return run.result


def reason_of(run: ToolRun) -> str:
    """Why there is no evidence, as there must not be."""
    assert isinstance(run.result, EvidenceMissing), run.result
    return run.result.reason
