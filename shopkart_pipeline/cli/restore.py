"""`shopkart restore DATABASE/ID --output FILE`: write what a backup holds to a file, for `pg_restore` or `tar`.

Nothing is restored into a running database by this: `docs/backups.md` has the commands that do it, for a person who
looks at what they do. The file is its owner's alone, and it is there whole or not at all.
"""

import argparse
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.cli.arguments import add_key, open_platform, who_asks
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.services.extract_backup import extract_backup


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("backup", metavar="DATABASE[/ID]", help="which backup; the newest where no ID is given")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="where to write it")
    add_key(parser)


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    who_asks(platform, options, Verb.RESTORE, backup=options.backup)
    manifest = extract_backup(platform, options.backup, options.output)
    console.print(f"{options.output} holds {manifest.name} ({manifest.contents.version}).", markup=False)
    return 0
