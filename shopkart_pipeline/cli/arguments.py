"""Words that several commands take."""

import argparse

from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.wiring import build_platform


def add_release(parser: argparse.ArgumentParser) -> None:
    """`SERVICE@KEY`, or `SERVICE` for its newest release."""
    parser.add_argument("release", metavar="RELEASE", help="SERVICE@KEY, or SERVICE for its newest release")


def open_platform() -> Platform:
    """The platform as the environment and the declaration say."""
    return build_platform(from_environment())


def find_release(platform: Platform, name: str) -> Release:
    """The release that a person means; the key may be cut short as long as it is clear. Raises `NotFound`."""
    service, _, key = name.partition("@")
    platform.service(service)
    releases = platform.evidence.releases(service)
    matching = [release for release in releases if not key or key in release.key]
    if not matching or (key and len(matching) > 1):
        what = f"{len(matching)} releases of {service} match {key!r}." if key else f"{service} has no release yet."
        raise NotFound(what, "See `shopkart releases`.")
    return matching[0]
