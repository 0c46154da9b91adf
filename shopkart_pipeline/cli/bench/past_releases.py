"""A store of past releases for questions about the past: two services, as a busy year leaves them.

Every release has its own image, evidence of every stage before production, and took production once; an image holds 120
packages, of which a tenth of the releases change one. One release of each service is written by the ports, and the
others are copies of its rows, since writing ten thousand releases one by one would measure the disk.
"""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shopkart_pipeline.cli.bench.copied_rows import Copy, copies_of, copy_rows
from shopkart_pipeline.cli.bench.repository import BenchRepository
from shopkart_pipeline.cli.bench.surroundings import own_settings
from shopkart_pipeline.domain.component import PackageVersion
from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.evidence import Evidence, StageRecord, Tool
from shopkart_pipeline.domain.policy import MeasureRule
from shopkart_pipeline.domain.release import Person, Release, release_key
from shopkart_pipeline.ports.component_index import DescribedRelease
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.judge_release import gates_of, phases_before
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import PROMOTE
from shopkart_pipeline.wiring import build_platform

ADVISORY = "GHSA-bench-bench-0001"
PACKAGE = "package-007"
SERVICES = ("backend", "frontend")
_REPOSITORY = "bench/shop"
_DECLARATION = """\
version: 1
defaults:
  owners: [team:bench]
  source: {repository: bench/shop, remote: "{home}/git/{repository}.git", path: "{service}"}
  workload: {command: [python, -m, nothing]}
  environments:
    production: {approvals: {approvers: [maya@shopkart.example]}}
services: {backend: {}, frontend: {}}
"""
_PACKAGES = 120
_RELEASES_A_CHANGE = 10
_RUN = "the-bench-made-this-run"


def fill(folder: Path, count: int) -> Platform:
    """A platform whose stores hold `count` releases."""
    folder.mkdir(parents=True)
    declaration = folder / "shopkart.yaml"
    declaration.write_text(_DECLARATION)
    settings = own_settings(folder / "home", declaration)
    platform = build_platform(settings)
    moment = platform.clock.now().replace(microsecond=0)
    repository = BenchRepository(settings.home / "git" / f"{_REPOSITORY}.git", folder / "clone", _REPOSITORY)
    pushed = repository.push("Advisories", _advisories(moment))
    described: list[tuple[DescribedRelease, list[PackageVersion]]] = []
    for service in SERVICES:
        original = _original(service, pushed.sha, moment)
        _write(platform, original, moment)
        copies = [_with_image(each, original, moment) for each in copies_of(original, _RUN, 1, count // len(SERVICES))]
        own = f"service = '{service}' AND key = '{original.key}'"
        copy_rows(settings.home / "evidence" / "evidence.db", dict.fromkeys(("releases", "attempts"), own), copies)
        keys = [original.key, *(copy.key for copy in copies)]
        described += [
            (DescribedRelease(service, key, _image(key), _image(f"bill {key}")), _packages(service, number))
            for number, key in enumerate(keys)
        ]
        platform.ledger.append_all(_promotions(service, keys, moment, original.sha))
    if platform.components is None:
        raise ToolUnavailable("There is no component index.", "Wire one.")
    platform.components.replace(described)
    return platform


def _original(service: str, sha: str, moment: datetime) -> Release:
    return Release(
        service=service,
        key=release_key(sha, moment),
        repository=_REPOSITORY,
        branch="main",
        sha=sha,
        previous_sha=None,
        title="A change",
        author=Person("Ana", "ana@shopkart.example"),
        people=("ana@shopkart.example",),
        actor="ana",
        delivery_id=f"bench-{service}",
        received_at=moment,
    )


def _write(platform: Platform, release: Release, moment: datetime) -> None:
    platform.evidence.add_release(release)
    service = platform.service(release.service)
    for name in phases_before(service, Phase.PRODUCTION):
        stage = service.stage(name)
        about_image = None if stage.kind is StageKind.SOURCE else _image(release.key)
        measures = {
            gate.rule.measure: gate.rule.limit for gate in gates_of(service, name) if isinstance(gate.rule, MeasureRule)
        }
        result = Evidence(Tool("bench", "1", "rules"), "as asked", measures, facts=_facts(stage, release))
        record = StageRecord(
            release.service, release.key, name, _RUN, moment, moment, release.sha, about_image, result, {"a": "b"}
        )
        platform.evidence.finish(record)


def _facts(stage: Stage, release: Release) -> dict[str, str]:
    return {"digest": _image(release.key)} if stage.kind is StageKind.IMAGE else {"tree": f"sha256:{'0' * 64}"}


def _with_image(copy: Copy, original: Release, moment: datetime) -> Copy:
    """The copy with an image and times of its own."""
    earlier = moment - timedelta(minutes=copy.number)
    other = {_image(original.key): _image(copy.key), _text(moment): _text(earlier)}
    return replace(copy, words={**copy.words, **other})


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _image(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def _packages(service: str, number: int) -> list[PackageVersion]:
    """What the release of that number, counted backwards, consists of."""
    changes = number // _RELEASES_A_CHANGE
    return [
        PackageVersion("PyPI", f"package-{each:03}", f"1.{(changes + _PACKAGES - each) // _PACKAGES}.0")
        for each in range(_PACKAGES - 1)
    ] + [PackageVersion("PyPI", f"{service}-own", "1.0.0")]


def _promotions(service: str, keys: list[str], moment: datetime, sha: str) -> list[Act]:
    """Staging, then production, the oldest release first."""
    return [
        Act(
            moment - timedelta(minutes=number),
            "pipeline",
            PROMOTE,
            service,
            key,
            _image(key),
            {"environment": environment.value, "commit": sha, "reason": "the bench"},
        )
        for number, key in reversed(list(enumerate(keys)))
        for environment in (Phase.STAGING, Phase.PRODUCTION)
    ]


def _advisories(moment: datetime) -> dict[str, str]:
    affected = {
        "package": {"ecosystem": "PyPI", "name": PACKAGE},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.3.0"}]}],
    }
    others = [
        {"id": f"GHSA-other-{number:04}", "affected": [{"package": {"ecosystem": "PyPI", "name": f"other-{number}"}}]}
        for number in range(1_000)
    ]
    about = {"taken_at": moment.isoformat(), "source": "the bench", "count": len(others) + 1}
    return {
        "advisories/snapshot.json": json.dumps(about),
        "advisories/one.json": json.dumps({"id": ADVISORY, "summary": "bad", "affected": [affected]}),
        "advisories/others.json": json.dumps(others),
        "backend/app.txt": "1\n",
        "frontend/app.txt": "1\n",
    }
