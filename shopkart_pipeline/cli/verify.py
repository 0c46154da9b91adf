"""`shopkart verify FILE|SERVICE@KEY|IMAGE@DIGEST`: is what is claimed proved? Exits 1 on anything that is not.

A file needs nothing but the public keys, neither network nor declaration. A release is packed as `shopkart evidence`
would pack it, and that is checked. Of an image the registry is asked what is attached to it.
"""

import argparse
import json
import re
import tempfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from rich.console import Console

from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.cli.arguments import find_release, open_platform
from shopkart_pipeline.cli.policy_then import under_policy_of
from shopkart_pipeline.cli.signing import signer_at_hand
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable, UntrustedInput
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.trusted_key import KEYS_FILE
from shopkart_pipeline.services.pack_evidence import pack_evidence, verifier_hashes
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.verify_image import verify_image
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.verifier.claims import Claim, Fault, all_proved, told
from shopkart_pipeline.verifier.documents import moment_of
from shopkart_pipeline.verifier.envelopes import Key, read_keys
from shopkart_pipeline.verifier.release import verify

_IMAGE = re.compile(r"(?P<repository>[^@]+)@(?P<digest>sha256:[0-9a-f]{64})")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = "a file of `shopkart evidence`, SERVICE@KEY for a release, or IMAGE@sha256:... as the registry has it"
    parser.add_argument("what", nargs="?", metavar="FILE|SERVICE@KEY|IMAGE@DIGEST", help=words)
    parser.add_argument("--keys", metavar="FILE", type=Path, help=f"trusted public keys (default: {KEYS_FILE} here)")
    parser.add_argument("--allowed-signers", metavar="FILE", type=Path, help="who may approve (default: the bundle's)")
    parser.add_argument("--repository", metavar="OWNER/NAME", help="the source repository that it has to be from")
    parser.add_argument("--at", metavar="TIME", help="the moment of looking, ISO 8601 with zone (default: now)")
    parser.add_argument("--json", action="store_true", help="print the claims as JSON")
    parser.add_argument(
        "--print-verifier-hash",
        action="store_true",
        help="print the hashes of the stand-alone verifier's files, for `sha256sum -c`",
    )


def run(options: argparse.Namespace) -> int:
    if options.print_verifier_hash:
        print(verifier_hashes(), end="")
        return 0
    if options.what is None:
        raise PipelineError("Nothing is named that could be verified.", "Name a file, a release or an image.")
    claims = _claims(options, _keys(options.keys), _moment(options.at))
    if options.json:
        print(json.dumps([vars(claim) for claim in claims], indent=2))
    else:
        Console(soft_wrap=True, highlight=False).print(told(claims), markup=False)
    return 0 if all_proved(claims) else 1


def _claims(options: argparse.Namespace, keys: tuple[Key, ...], now: datetime) -> tuple[Claim, ...]:
    allowed = None if options.allowed_signers is None else _read(options.allowed_signers)
    if Path(options.what).is_file():
        with Path(options.what).open("rb") as stream:
            return verify(stream, keys, now, allowed=allowed, repository=options.repository)
    platform, image = open_platform(), _IMAGE.fullmatch(options.what)
    if image is not None:
        return verify_image(platform.registry, image["repository"], image["digest"], keys, now, options.repository)
    if "@" not in options.what:
        raise PipelineError(f"There is no file {options.what}.", "Name a file, SERVICE@KEY, or IMAGE@sha256:...")
    release = find_release(platform, options.what)
    with tempfile.TemporaryFile() as stream, signer_at_hand(platform, from_environment()):
        _pack(under_policy_of(platform, release), release, stream)
        return verify(stream, keys, now, allowed=allowed, repository=options.repository)


def _pack(platform: Platform, release: Release, stream: BinaryIO) -> None:
    """The release's bundle; without a signature where the signer does not answer, which then is missing."""
    try:
        pack_evidence(platform, release, stream)
    except ToolUnavailable:
        stream.seek(0)
        stream.truncate()
        pack_evidence(replace(platform, attestor=None), release, stream)


def _keys(path: Path | None) -> tuple[Key, ...]:
    place = from_environment().trusted_keys if path is None else path
    try:
        return read_keys(_read(place))
    except Fault as fault:
        raise UntrustedInput(f"{place}: {fault.reason}.", "Name a file of trusted keys with --keys.") from fault


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ToolUnavailable(f"{path} can't be read: {error.strerror}.", "Name another file.") from error


def _moment(text: str | None) -> datetime:
    try:
        return SystemClock().now() if text is None else moment_of(text)
    except ValueError as error:
        raise UntrustedInput(f"{text!r} is no time with a zone.", "Such as 2025-03-04T12:00:00+00:00.") from error
