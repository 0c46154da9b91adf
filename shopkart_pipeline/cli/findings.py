"""`shopkart findings RELEASE`: what the tools found, for people, as JSON, or as SARIF for any reader of that format."""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopkart_pipeline.cli.arguments import add_release, find_release, open_platform
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, StageRecord
from shopkart_pipeline.domain.sarif_log import sarif_log
from shopkart_pipeline.domain.verdict import Waived
from shopkart_pipeline.services.waivers import waived


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_release(parser)
    parser.add_argument("--stage", metavar="STAGE", action="append", default=[], help="only this stage (repeatable)")
    parser.add_argument("--new", action="store_true", help="only findings that production does not have yet")
    parser.add_argument("--sarif", metavar="FILE", type=Path, help="write all of it as SARIF 2.1.0; - for the terminal")


def run(options: argparse.Namespace) -> int:
    platform = open_platform()
    release = find_release(platform, options.release)
    found = platform.evidence.latest(release.service, release.key)
    for name in options.stage:
        if name not in found:
            known = ", ".join(found) or "none yet"
            raise NotFound(f"{release.name} has no result of a stage {name}.", f"Stages with a result: {known}.")
    records = [record for stage, record in found.items() if not options.stage or stage in options.stage]
    at_hand = waived(platform, release, found)
    if options.sarif is None:
        _print(Console(soft_wrap=True, highlight=False), records, at_hand, only_new=options.new)
        return 0
    text = json.dumps(sarif_log(records, at_hand), indent=2) + "\n"
    if str(options.sarif) == "-":
        print(text, end="")
    else:
        options.sarif.write_text(text, encoding="utf-8")
    return 0


def _print(console: Console, records: list[StageRecord], at_hand: Waived, *, only_new: bool) -> None:
    table = Table("stage", "severity", "rule", "where", "message", "fixed in", "state", "fingerprint", box=None)
    number = 0
    for record in records:
        match record.result:
            case EvidenceMissing(reason=reason):
                table.add_row(record.stage, "[bold yellow]missing[/]", "", "", escape(reason), "", "", "")
            case Evidence(findings=findings):
                for finding in findings:
                    if finding.is_new or not only_new:
                        number += 1
                        table.add_row(*_row(record.stage, finding, at_hand))
    if table.row_count:
        console.print(table)
    console.print(f"{number} findings in {len(records)} stages")


def _row(stage: str, finding: Finding, at_hand: Waived) -> tuple[Any, ...]:
    where = f"{finding.path or ''}{f':{finding.line}' if finding.line else ''}"
    if finding.package:
        where = f"{finding.package} {finding.installed_version or ''}".strip()
    states = ["new" if finding.is_new else "known"]
    states += ["waived" for waiver in at_hand.of(stage, finding) if waiver.holds(at_hand.now)][:1]
    words = (finding.rule, where, finding.message, finding.fixed_in or "", " ".join(states), finding.fingerprint)
    return (stage, finding.severity.name.lower(), *(escape(word) for word in words))
