"""`shopkart restore DATABASE/ID`: write what a backup holds to a file, or bring it back to where its database is.

With `--output` nothing is restored; the file is for `pg_restore` or `tar`, its owner's alone, and there whole or not at
all. With `--in-place` it comes back to where the database is declared to be, which has to be empty. Where that is one
of the pipeline's own there is no ledger yet in which it can stand who asked, or it would fill the very database: that
is kept in `restores.db` beside it, and told once more in the ledger that comes back.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.adapters.sqlite_files import RESTORES
from shopkart_pipeline.adapters.sqlite_ledger import SqliteLedger
from shopkart_pipeline.cli.arguments import add_key, open_platform, who_asks
from shopkart_pipeline.domain.backup import DAGSTER, PIPELINE, STORES
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.services.extract_backup import extract_backup
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.restore_in_place import restore_in_place
from shopkart_pipeline.settings import from_environment

_OWN = frozenset({PIPELINE, STORES, DAGSTER, "inbox", "ledger"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("backup", metavar="DATABASE[/ID]", help="which backup; the newest where no ID is given")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--output", type=Path, metavar="FILE", help="write it to a file")
    words = "bring it back to where the database is declared to be, which has to be empty; nothing may run meanwhile"
    where.add_argument("--in-place", action="store_true", help=words)
    add_key(parser)


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    if options.output is None:
        return _in_place(platform, options, console)
    who_asks(platform, options, Verb.RESTORE, backup=options.backup)
    manifest = extract_backup(platform, options.backup, options.output)
    console.print(f"{options.output} holds {manifest.name} ({manifest.contents.version}).", markup=False)
    return 0


def _in_place(platform: Platform, options: argparse.Namespace, console: Console) -> int:
    asking = platform
    if options.backup.partition("/")[0] in _OWN:
        asking = replace(platform, ledger=SqliteLedger(from_environment().home / RESTORES))
    actor = who_asks(asking, options, Verb.RESTORE, backup=options.backup, place="where it is declared to be")
    manifest = restore_in_place(platform, options.backup, actor)
    console.print(f"{manifest.name} is back, as it was at {manifest.taken_at:%Y-%m-%d %H:%M} UTC.", markup=False)
    if manifest.database == PIPELINE:
        console.print("Runs that were under way then will be told as failed; releases go on with `shopkart rerun`.")
    return 0
