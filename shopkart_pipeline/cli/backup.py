"""`shopkart backup [DATABASE ...]`: back up now. Exit code 1 where one of them failed."""

import argparse

from rich.console import Console

from shopkart_pipeline.cli.arguments import add_key, open_platform, who_asks
from shopkart_pipeline.cli.backups import print_lines
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.services.back_up import BackupReport, back_up, declared_database


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("database", nargs="*", metavar="DATABASE", help="only these; all that are declared otherwise")
    add_key(parser)


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    names, reports = options.database or list(platform.pipeline.recovery.databases), list[BackupReport]()
    for name in names:
        declared_database(platform, name)
    who_asks(platform, options, Verb.BACK_UP, databases=", ".join(names))
    for name in names:
        report = back_up(platform, name)
        reports.append(report)
        print_lines(console, report.database, report.lines)
        for removed in report.removed:
            console.print(f"  {report.database}/{removed} went: retention does not keep it")
    return 0 if all(report.succeeded for report in reports) else 1
