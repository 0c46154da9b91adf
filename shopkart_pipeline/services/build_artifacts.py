"""From source to an image on disk: install, build, assemble. Built once; a digest from then on.

An environment is keyed by what determines it (the locks of the service and the tool), so releases that lock the same
dependencies share one. The image's time is the commit's: the same commit gives the same digest.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.declaration import Service, Stage, StageKind
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, ToolRun
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.builder import ImageBuilder, ImageRequest
from shopkart_pipeline.services.checkout_source import tree
from shopkart_pipeline.services.platform import Platform

VERSION_LABEL = "org.opencontainers.image.version"
"""Where an image says which release it was built for; a later release with the same content may take it over."""


def install_dependencies(platform: Platform, release: Release, stage: Stage) -> ToolRun:
    """Make the environment that tests and checks run in."""
    service = platform.service(release.service)
    return platform.application_builder.install(
        service,
        tree(platform, release),
        environment(platform, release),
        platform.workspace.log(release, stage.name),
        stage.timeout_seconds,
    )


def environment(platform: Platform, release: Release) -> Path:
    """Where the release's environment is; its name is a digest over the locks of the service, and over the commit where
    nothing is locked: then nothing says that two commits need the same."""
    service = platform.service(release.service)
    digest = hashlib.sha256(f"{platform.application_builder.name}\0{service.name}\0".encode())
    locks = locks_of(service, tree(platform, release) / service.source.path)
    for lock in locks:
        digest.update(lock.name.encode() + b"\0" + lock.read_bytes() + b"\0")
    if not locks:
        digest.update(release.sha.encode())
    return platform.workspace.environment(digest.hexdigest()[:32])


def locks_of(service: Service, folder: Path) -> list[Path]:
    """Files that determine what is installed: those called so, and the one that the declaration names."""
    named = (stage.options.get("lock") for stage in service.stages if stage.kind is StageKind.DEPENDENCIES)
    declared = {folder / name for name in named if name}
    return sorted(path for path in {*folder.glob("*.lock"), *declared} if path.is_file())


def build_application(platform: Platform, release: Release, stage: Stage) -> ToolRun:
    """Build what the image will hold."""
    return platform.application_builder.build(
        platform.service(release.service),
        tree(platform, release),
        environment(platform, release),
        platform.workspace.application(release),
        platform.workspace.log(release, stage.name),
        stage.timeout_seconds,
    )


def build_image(platform: Platform, release: Release, stage: Stage) -> ToolRun:
    """Build the image, with the builder that the declaration names."""
    service = platform.service(release.service)
    builder = _choose(platform, stage)
    if isinstance(builder, EvidenceMissing):
        return ToolRun(builder)
    built = builder.build(image_request(platform, release, stage))
    if isinstance(built, EvidenceMissing):
        return ToolRun(built)
    doubt = built.doubt or "the builder does not promise it"
    notes = () if built.reproducible else (f"Building this commit again may give another digest: {doubt}.",)
    skipped = _skipped(platform, builder) if stage.tool == "auto" else ()
    evidence = Evidence(
        tool=built.tool,
        summary=f"{built.digest} ({built.size_bytes / 1_000_000:.1f} MB)",
        measures={"size_bytes": built.size_bytes, "reproducible": float(built.reproducible)},
        facts={"digest": built.digest, "repository": service.name},
        notes=(*notes, *skipped),
    )
    return ToolRun(evidence)


def image_request(platform: Platform, release: Release, stage: Stage) -> ImageRequest:
    """What the release's image is made of."""
    service = platform.service(release.service)
    return ImageRequest(
        service=service,
        tree=tree(platform, release),
        application=platform.workspace.application(release),
        labels=_labels(service, release),
        created_at=platform.scm.commit(service.source, release.sha).committed_at,
        layout=platform.workspace.layout(release),
        log=platform.workspace.log(release, stage.name),
        timeout_seconds=stage.timeout_seconds,
    )


def application_inputs(platform: Platform, release: Release) -> Mapping[str, str] | None:
    """What installing and building depend on beside the service's files; None where the builder can't tell."""
    inputs = platform.application_builder.inputs()
    if inputs is None:
        return None
    return {"builder": platform.application_builder.name, "environment": environment(platform, release).name, **inputs}


def image_inputs(platform: Platform, release: Release, stage: Stage) -> Mapping[str, str] | None:
    """What the image depends on beside the application; None where the chosen builder can't tell."""
    builder, workload = _choose(platform, stage), platform.service(release.service).workload
    if isinstance(builder, EvidenceMissing):
        return None
    inputs = builder.inputs(image_request(platform, release, stage))
    if inputs is None:
        return None
    started = digest_of((workload.command, workload.port, workload.base_image))
    return {"builder": builder.name, "workload": started, **inputs}


def _choose(platform: Platform, stage: Stage) -> ImageBuilder | EvidenceMissing:
    reasons: list[str] = []
    for builder in platform.image_builders:
        if stage.tool == builder.name or (stage.tool == "auto" and not builder.only_by_name):
            reason = builder.unavailable()
            if reason is None:
                return builder
            reasons.append(f"{builder.name}: {reason}")
    return EvidenceMissing("; ".join(reasons) or f"no image builder is called {stage.tool}")


def _skipped(platform: Platform, chosen: ImageBuilder) -> tuple[str, ...]:
    """One line for each builder that would have been preferred and can't work here."""
    notes: list[str] = []
    for builder in platform.image_builders:
        if builder is chosen:
            break
        if not builder.only_by_name:
            notes.append(f"{builder.name} was not used: {builder.unavailable()}")
    return tuple(notes)


def _labels(service: Service, release: Release) -> dict[str, str]:
    return {
        "org.opencontainers.image.title": service.name,
        "org.opencontainers.image.revision": release.sha,
        "org.opencontainers.image.source": release.repository,
        VERSION_LABEL: release.key,
    }
