"""`shopkart approve RELEASE`: show what is agreed to, sign it with one's SSH key, record it, ring."""

import argparse
import json
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.adapters.ssh_signature import SshSigner
from shopkart_pipeline.cli.arguments import DEFAULT_KEY, add_release, find_release, open_platform
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.release_unit import short
from shopkart_pipeline.engine.doorbell import ring
from shopkart_pipeline.ports.ledger import Entry
from shopkart_pipeline.services.approve_release import record_approval, statement_for
from shopkart_pipeline.services.own_events import APPROVED, progress
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.settings import from_environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_release(parser)
    parser.add_argument(
        "--key", default=DEFAULT_KEY, help=f"OpenSSH ed25519 private key to sign with (default {DEFAULT_KEY})"
    )


def run(options: argparse.Namespace) -> int:
    platform = open_platform()
    release = find_release(platform, options.release)
    entry = approve(platform, release, Path(options.key).expanduser())
    ring(from_environment().dagster_home)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{entry.act.actor} approved {release.name}")
    configuration = json.loads(entry.act.body["statement"])["configuration"]
    console.print(f"  image {entry.act.digest}\n  configuration {short(configuration)}")
    console.print(f"  ledger entry {entry.sequence} ({entry.entry_hash[:16]})")
    return 0


def approve(platform: Platform, release: Release, key_file: Path) -> Entry:
    """Sign the statement about a release as it stands, record it, and tell the pipeline."""
    statement = statement_for(platform, release, platform.clock.now())
    entry = record_approval(platform, release, statement, SshSigner(key_file).sign(statement.to_bytes()))
    platform.inbox.put(progress(APPROVED, release, Phase.PRODUCTION, entry.entry_hash, platform))
    return entry
