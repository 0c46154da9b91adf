"""Chooses who builds images, in the order in which `auto` prefers them."""

from shopkart_pipeline.adapters.buildah import BuildahBuilder
from shopkart_pipeline.adapters.docker_engine import Builder, DockerEngineBuilder
from shopkart_pipeline.adapters.oci_layout import OciLayoutBuilder
from shopkart_pipeline.ports.builder import ImageBuilder
from shopkart_pipeline.settings import Settings


def docker_builder(settings: Settings) -> DockerEngineBuilder:
    """The builder of the engine that the settings name; it is not asked yet."""
    layers, host = settings.home / "cache" / "layers", settings.docker_host
    if settings.buildx_builder is None:
        return DockerEngineBuilder(layers, host)
    return DockerEngineBuilder(layers, host, builder=Builder(settings.buildx_builder, settings.buildx_state))


def image_builders(settings: Settings) -> tuple[ImageBuilder, ...]:
    """What the runtime can run decides: an image of the embedded builder has no operating system and runs as a process
    alone, an engine's image runs in that engine. Buildah is there for whoever names it."""
    cache = settings.home / "cache"
    embedded, docker = OciLayoutBuilder(cache / "layers"), docker_builder(settings)
    buildah = BuildahBuilder(cache / "buildah", cache / "layers")
    return {
        "process": (embedded, buildah),
        "docker": (docker, buildah),
        "auto": (docker, embedded, buildah),
    }[settings.runtime]
