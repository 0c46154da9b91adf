"""Words that several commands take."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from shopkart_pipeline.adapters.ssh_signature import SshSigner
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.affected_services import NOT_AFFECTED
from shopkart_pipeline.services.authenticate import Credentials, Principal, authenticate, request
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.wiring import build_platform


def add_release(parser: argparse.ArgumentParser) -> None:
    """`SERVICE@KEY`, `SERVICE#NUMBER` or `SERVICE`; see `find_release`."""
    words = "SERVICE@KEY, SERVICE for its newest release, or SERVICE#NUMBER for the head of a pull request"
    parser.add_argument("release", metavar="RELEASE", help=words)


DEFAULT_KEY = "~/.ssh/id_ed25519"


def add_key(parser: argparse.ArgumentParser) -> None:
    """Who asks: `--key`, or a machine's token from the environment."""
    words = f"OpenSSH ed25519 private key to sign with (default {DEFAULT_KEY}); machines set SHOPKART_TOKEN_FILE"
    parser.add_argument("--key", type=Path, metavar="FILE", help=words)


def who_asks(
    platform: Platform,
    options: argparse.Namespace,
    verb: Verb,
    service: str = "",
    release_key: str = "",
    **arguments: str,
) -> Principal:
    """Whoever asks for an act, proved, if they may; raises as `authenticate`."""
    token = "" if options.key else from_environment().access.token()
    signer = None if token else SshSigner(options.key.expanduser() if options.key else _default_key())
    act = request(platform, verb, service, release_key, **arguments)
    return authenticate(platform, act, Credentials(signer, token))


def _default_key() -> Path:
    """One's own key; in a home that the demo made, where nobody has one, that of the demo's approver."""
    own, of_demo = Path(DEFAULT_KEY).expanduser(), from_environment().home / "demo" / "approver"
    return of_demo if of_demo.exists() and not own.exists() else own


def open_platform() -> Platform:
    """The platform as the environment and the declaration say."""
    return build_platform(from_environment())


def find_release(platform: Platform, name: str) -> Release:
    """The release that a person means; the key may be cut short as long as it is clear. Raises `NotFound`.

    A service alone means its newest merge; a pull request is never meant without being named.
    """
    service, _, key = name.partition("@")
    service, _, number = service.partition("#")
    platform.service(service)
    releases = platform.evidence.releases(service)
    if number:
        return _head(releases, service, number)
    matching = [release for release in releases if (key in release.key if key else release.pull_request is None)]
    if not matching or (key and len(matching) > 1):
        what = f"{len(matching)} releases of {service} match {key!r}." if key else f"{service} has no release yet."
        raise NotFound(what, "See `shopkart releases`.")
    return matching[0]


def find_not_affected(platform: Platform, name: str) -> Note | None:
    """The note that what a person means did not concern the service; None where it did, or nothing is known of it."""
    service, _, key = name.partition("@")
    platform.service(service.partition("#")[0])
    if not key or any(key in release.key for release in platform.evidence.releases(service)):
        return None
    notes = platform.evidence.newest_notes(NOT_AFFECTED, service, limit=1000)
    return next((note for note in notes if key in note.release_key), None)


def _head(releases: Sequence[Release], service: str, number: str) -> Release:
    for release in releases:
        proposed = release.pull_request
        if proposed is not None and proposed.merge_group is None and str(proposed.number) == number:
            return release
    raise NotFound(f"{service} has nothing of pull request {number}.", "See `shopkart releases`.")
