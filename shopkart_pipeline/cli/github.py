"""`shopkart github`: is the pipeline connected, with the rights that it needs and no more? And how it gets there."""

import argparse

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopkart_pipeline.adapters.github_app import GitHubAccount, registration_address
from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.domain.errors import NotFound, PipelineError, Refused
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.wiring import github_account

_ABANDONED_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--register", metavar="ORGANIZATION", help="print the page where its GitHub App is registered")
    parser.add_argument("--name", default="shopkart-pipeline", help="name of the App (default shopkart-pipeline)")
    parser.add_argument("--hook-url", metavar="URL", help="where GitHub reaches the receiver (for --register)")


def run(options: argparse.Namespace) -> int:
    settings, platform = from_environment(), open_platform()
    policy = platform.pipeline.code_host
    if options.register:
        if not options.hook_url or not settings.public_url:
            missing = "--hook-url" if not options.hook_url else "SHOPKART_PUBLIC_URL"
            raise Refused(f"{missing} is not given.", "An App is registered with the addresses of both doors.")
        api = (policy or CodeHostPolicy()).api
        print(registration_address(options.register, options.name, settings.public_url, options.hook_url, api))
        return 0
    if policy is None:
        raise NotFound("The declaration has no section `github`.", "Add one; docs/github.md says how.")
    account = github_account(settings, policy)
    if account is None:
        raise NotFound(
            "Nobody says who the pipeline is at GitHub.",
            "Set SHOPKART_GITHUB_APP_ID and SHOPKART_GITHUB_PRIVATE_KEY_FILE, or SHOPKART_GITHUB_TOKEN.",
        )
    return _show(Console(soft_wrap=True, highlight=False), platform, account)


def _show(console: Console, platform: Platform, account: GitHubAccount) -> int:
    kind = "the App" if account.is_app else "the owner of a token,"
    console.print(f"GitHub knows the pipeline as {kind} [bold]{escape(account.name())}[/].")
    complete = not account.is_app or _show_installations(console, platform, account)
    if not account.is_app:
        console.print("With a token there are commit statuses instead of checks; an App shows more.")
    for notice, reason in platform.outbox.abandoned(_ABANDONED_SHOWN):
        console.print(f"never told: {notice.about}: {reason}", style="yellow", markup=False)
    return 0 if complete else 1


def _show_installations(console: Console, platform: Platform, account: GitHubAccount) -> bool:
    table = Table("repository", "lacks", "does not need", "events that do not come", box=None)
    complete = True
    for repository in sorted({service.source.repository for service in platform.pipeline.services.values()}):
        try:
            found = account.installation_at(repository)
        except PipelineError as error:
            table.add_row(repository, f"[bold red]{escape(error.what)}[/]", "", "")
            complete = False
            continue
        words = (", ".join(each) for each in (found.lacking, found.unneeded, found.events_lacking))
        lacking, unneeded, events = (each or "nothing" for each in words)
        table.add_row(repository, lacking, escape(unneeded), events, style=None if found.is_complete else "bold red")
        complete = complete and found.is_complete
    console.print(table)
    return complete
