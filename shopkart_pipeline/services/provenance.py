"""How an image came to be, as SLSA provenance v1.

Everything in it is from the control plane: the release as the webhook and git told it, the declaration, and the records
of stages as the pipeline itself kept them. Nothing is taken over that a build step said about itself but the digests of
its reports. What the parameters and dependencies are is explained in docs/attestations.md, where the build type points.

Source: SLSA v1.0, "Provenance" (`buildDefinition`, `runDetails`); in-toto ResourceDescriptor v1.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from typing import Any

from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.declaration import Phase, Service, Stage, StageKind
from shopkart_pipeline.domain.evidence import StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.confinement import NotConfined
from shopkart_pipeline.services.build_artifacts import locks_of
from shopkart_pipeline.services.checkout_source import tree
from shopkart_pipeline.services.platform import Platform

BUILD_TYPE = "https://shopkart.example/build-types/image/v1"
BUILDER = "https://shopkart.example/builders/pipeline/v1"
"""Who builds, where the declaration names nobody else."""
BUILDER_OPTION = "builder_id"

_NOT_INSTALLED = "excluded"
"""Scope of a component that a bill names and that is not there."""

Descriptor = Mapping[str, Any]


def builder_of(service: Service) -> str:
    """Who builds a service's images: `attestations: {options: {builder_id: ...}}`, or this pipeline."""
    stage = service.stage_of(StageKind.ATTESTATIONS)
    return BUILDER if stage is None else stage.options.get(BUILDER_OPTION, BUILDER)


def provenance(
    platform: Platform,
    release: Release,
    records: Mapping[str, StageRecord],
    packages: Iterable[Descriptor],
    now: datetime,
) -> dict[str, Any]:
    """The predicate about the image of a release.

    Args:
        platform: the ports.
        release: whose image.
        records: those of the stages before it was published.
        packages: what is installed in it, as resource descriptors.
        now: the moment of signing.
    """
    service = platform.service(release.service)
    image = next(records[stage.name] for stage in service.stages if stage.kind is StageKind.IMAGE)
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": _external(platform, release, service),
            "internalParameters": {
                "stages": {name: _ran(record) for name, record in records.items()},
                "owners": service.owners,
                "commands": _commands(platform),
            },
            "resolvedDependencies": [*_sources(platform, release, service), *_bases(service, image), *packages],
        },
        "runDetails": {
            "builder": {"id": builder_of(service), "version": {"shopkart-pipeline": version("shopkart-pipeline")}},
            "metadata": {
                "invocationId": image.reused.run_id if image.reused is not None else image.run_id,
                "startedOn": min(record.started_at for record in records.values()).isoformat(),
                "finishedOn": now.isoformat(),
            },
            "byproducts": [each for name, record in records.items() for each in reports_of(name, record)],
        },
    }


def reports_of(stage: str, record: StageRecord) -> list[Descriptor]:
    """The raw reports of a stage, by digest."""
    return [
        {"name": f"{stage}/{report.name}", "digest": {"sha256": _value(report.digest)}, "mediaType": report.media_type}
        for report in record.result.reports
    ]


def packages_in(bill: bytes) -> list[Descriptor]:
    """What a CycloneDX bill lists as installed, as resource descriptors.

    The hashes are those of distributions that the lock allows. Where it allows one alone, that is what was installed;
    of several nobody says which, so they are an annotation and no digest.
    """
    listed: list[dict[str, Any]] = json.loads(bill).get("components") or []
    return [
        {"uri": each["purl"], **_locked(each)}
        for each in listed
        if each.get("purl") and each.get("scope") != _NOT_INSTALLED
    ]


def _locked(component: Mapping[str, Any]) -> dict[str, Any]:
    references: list[dict[str, Any]] = component.get("externalReferences") or []
    hashes = [hashed for each in references for hashed in each.get("hashes") or () if hashed["alg"] == "SHA-256"]
    allowed = sorted({str(hashed["content"]) for hashed in hashes})
    if len(allowed) == 1:
        return {"digest": {"sha256": allowed[0]}}
    return {"annotations": {"lockedSha256": allowed}} if allowed else {}


def _external(platform: Platform, release: Release, service: Service) -> dict[str, Any]:
    """All that was chosen from outside: the commit, and what the declaration says about how to build it."""
    source = service.source
    return {
        "repository": release.repository,
        "branch": release.branch,
        "ref": f"refs/heads/{release.branch}",
        "commit": release.sha,
        "service": service.name,
        "release": release.key,
        "path": source.path,
        "shared_paths": source.shared_paths,
        "declaration": platform.pipeline.digest,
        "workload": digest_of((service.workload.command, service.workload.port, service.workload.base_image)),
        "stages": {stage.name: _options(stage) for stage in service.stages_of(Phase.CI)},
    }


def _options(stage: Stage) -> dict[str, Any]:
    said = asdict(stage)
    return {name: value for name, value in said.items() if name not in ("name", "phase", "kind") and value}


def _ran(record: StageRecord) -> dict[str, Any]:
    tool = record.result.tool
    reused = {} if record.reused is None else {"reused_from": f"{record.reused.release_key} ({record.reused.run_id})"}
    return {"run": record.run_id, "tool": None if tool is None else asdict(tool), "record": digest_of(record), **reused}


def _sources(platform: Platform, release: Release, service: Service) -> list[Descriptor]:
    uri = f"git+https://github.com/{release.repository}@refs/heads/{release.branch}"
    folder, source = tree(platform, release), service.source
    locks: list[Descriptor] = []
    for lock in locks_of(service, folder / source.path):
        path = lock.relative_to(folder).as_posix()
        # As git has it: the tree on disk has been within reach of what was run in it.
        content = platform.scm.read_file(source, release.sha, path)
        if content is not None:
            locks.append({"name": path, "uri": uri, "digest": {"sha256": hashlib.sha256(content).hexdigest()}})
    return [{"uri": uri, "digest": {"gitCommit": release.sha}}, *locks]


def _commands(platform: Platform) -> str:
    """Whether what the stages ran was kept from keys and stores."""
    found = platform.confinement()
    return f"not confined: {found.reason}" if isinstance(found, NotConfined) else f"confined: {found.how}"


def _bases(service: Service, image: StageRecord) -> list[Descriptor]:
    """The base image as it is declared, and by the digest that the build resolved, as far as its inputs say it."""
    base = service.workload.base_image
    if base is None:
        return []
    told = image.inputs.get("base_image") or image.inputs.get("base") or ""
    named = base.rpartition("@")[2] if "@sha256:" in base else told
    digest = {"digest": {"sha256": _value(named)}} if named.startswith("sha256:") else {}
    return [{"uri": f"docker://{base}", **digest}]


def _value(digest: str) -> str:
    return digest.partition(":")[2]
