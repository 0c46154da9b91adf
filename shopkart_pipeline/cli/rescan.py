"""`shopkart rescan [SERVICE ...]`: scan what runs in production now. Exit code 1 where policy would block it."""

import argparse

from rich.console import Console
from rich.markup import escape

from shopkart_pipeline.cli.arguments import add_key, open_platform, who_asks
from shopkart_pipeline.cli.backups import print_lines
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.services.rescan_running import rescan_running
from shopkart_pipeline.services.scan_running import rescanned_stages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", nargs="*", metavar="SERVICE", help="only these; all that are declared otherwise")
    add_key(parser)


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    passed, services = True, [platform.service(name) for name in options.service or platform.pipeline.services]
    who_asks(platform, options, Verb.RESCAN, services=", ".join(service.name for service in services))
    for service in services:
        if not rescanned_stages(service):
            console.print(f"{service.name} has no scan.", markup=False)
            continue
        report = rescan_running(platform, service)
        print_lines(console, service.name, report.lines)
        for word, items in (("opened", report.opened), ("closed", report.closed)):
            for item in items:
                console.print(f"  {word} {item.id}: {escape(item.subject)}")
        passed = passed and report.passed
    return 0 if passed else 1
