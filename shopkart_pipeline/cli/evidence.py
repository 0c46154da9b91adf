"""`shopkart evidence RELEASE --out FILE`: everything about one release in one file, which proves itself."""

import argparse
import os
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.cli.arguments import add_release, find_release, open_platform
from shopkart_pipeline.cli.policy_then import under_policy_of
from shopkart_pipeline.cli.signing import signer_at_hand
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.services.pack_evidence import pack_evidence
from shopkart_pipeline.services.sign_ledger import sign_head
from shopkart_pipeline.settings import from_environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_release(parser)
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="where to write it (a ZIP file)")


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    release = find_release(platform, options.release)
    part = options.out.with_name(f"{options.out.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as stream, signer_at_hand(platform, from_environment()):
            sign_head(platform)
            packed = pack_evidence(under_policy_of(platform, release), release, stream)
        part.replace(options.out)
    except OSError as error:
        raise PipelineError(f"{options.out} can't be written: {error.strerror}.", "Name another file.") from error
    finally:
        part.unlink(missing_ok=True)
    console.print(f"{options.out}: {packed.files} files, {packed.size_bytes} bytes, about {release.name}", markup=False)
    signed = f"signed by key {packed.signed_by[:16]}" if packed.signed_by else "not signed: nobody signs here"
    console.print(f"{signed}; check it with `shopkart verify {options.out}`", markup=False)
    for what, why in packed.missing:
        console.print(f"  missing: {what}: {why}", markup=False)
    return 0
