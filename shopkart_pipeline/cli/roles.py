"""`shopkart roles [WHO]`: who may do what, and whose tokens have expired."""

import argparse

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.domain.roles import ALLOWED, MEANING, Role, Roles, Verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("who", nargs="?", metavar="WHO", help="an e-mail address or machine:NAME: what they may do")


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    roles = platform.pipeline.roles
    if options.who:
        return _show_one(console, roles, options.who)
    if not roles.is_declared:
        console.print("No roles are declared: whoever approves for an environment is operator too.")
    for role in Role:
        names = [*roles.members.get(role, ()), *(each.principal for each in roles.machines if each.role is role)]
        console.print(f"[bold]{role}[/]  {escape(', '.join(names)) or 'nobody'}")
    table = Table("act", "needs", "what it is", box=None, padding=(0, 1, 0, 0))
    for verb in Verb:
        table.add_row(verb, " or ".join(sorted(ALLOWED[verb])), MEANING[verb])
    console.print(table)
    console.print(f"web interface, without a login: {', '.join(roles.buttons) or 'nothing'}")
    now, expired = platform.clock.now(), False
    for machine in roles.machines:
        if machine.expires_at <= now:
            expired = True
            console.print(f"[bold red]{machine.principal}[/] expired on {machine.expires_at:%Y-%m-%d}")
    return 1 if expired else 0


def _show_one(console: Console, roles: Roles, who: str) -> int:
    has = sorted(roles.of(who))
    console.print(f"{escape(who)}: {', '.join(has) or 'no role'}")
    for verb in (verb for verb in Verb if roles.may(who, verb)):
        console.print(f"  {verb:<18} {MEANING[verb]}")
    return 0 if has else 1
