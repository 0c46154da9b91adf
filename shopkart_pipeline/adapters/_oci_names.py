"""Names of repositories, tags and digests: what a registry may be asked for.

A name that the rule does not allow never becomes a path or a part of an address.

Rules: OCI distribution-spec 1.1, "Pulling manifests".
"""

import re

from shopkart_pipeline.domain.errors import Conflict, UntrustedInput

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_REPOSITORY = 255


def check_repository(name: str) -> str:
    """The name of a repository, if it is one; raises `UntrustedInput`."""
    if not _REPOSITORY.fullmatch(name) or len(name) > _LONGEST_REPOSITORY:
        fix = "Use lower-case letters, digits and single separators, such as shop/backend."
        raise UntrustedInput(f"{name!r} is no name of an image repository.", fix)
    return name


def check_tag(tag: str) -> str:
    """A tag, if it is one; raises `UntrustedInput`."""
    if not _TAG.fullmatch(tag):
        fix = "Use at most 128 letters, digits, dots, dashes and underscores."
        raise UntrustedInput(f"{tag!r} is no tag of an image.", fix)
    return tag


def check_digest(digest: str) -> str:
    """A digest, if it is one; raises `UntrustedInput`."""
    if not _DIGEST.fullmatch(digest):
        raise UntrustedInput(f"{digest!r} is no digest.", "Use sha256: and 64 hexadecimal digits.")
    return digest


def tag_taken(repository: str, tag: str, held: str, offered: str) -> Conflict:
    """What to raise where a tag names another image already."""
    return Conflict(
        f"{repository}:{tag} names {held} and can't be moved to {offered}: tags are immutable.",
        "Push under a new tag; if both were built from one commit, find out why the builds differ.",
    )
