"""`shopkart drill-recovery [DATABASE ...]`: recover from the newest backups beside everything that runs.

Exit code 1 where one of them would not have worked as declared.
"""

import argparse
import uuid

from rich.console import Console

from shopkart_pipeline.cli.arguments import add_key, open_platform, who_asks
from shopkart_pipeline.cli.backups import print_lines
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.services.back_up import declared_database
from shopkart_pipeline.services.drill_recovery import DrillReport, drill_recovery


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("database", nargs="*", metavar="DATABASE", help="only these; all that are declared otherwise")
    add_key(parser)


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    holder, reports = f"drill-{uuid.uuid4().hex[:8]}", list[DrillReport]()
    names = options.database or list(platform.pipeline.recovery.databases)
    for name in names:
        declared_database(platform, name)
    who_asks(platform, options, Verb.DRILL_RECOVERY, databases=", ".join(names))
    for name in names:
        report = drill_recovery(platform, name, holder)
        print_lines(console, report.database, report.lines)
        reports.append(report)
    return 0 if all(report.passed for report in reports) else 1
