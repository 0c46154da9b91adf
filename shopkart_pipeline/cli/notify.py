"""`shopkart notify [--test CHANNEL]`: which channels there are, what could not be told, and whether one works."""

import argparse

from rich.console import Console
from rich.markup import escape

from shopkart_pipeline.cli.arguments import add_key, open_platform, who_asks
from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.domain.notification import Notification, NotificationPolicy, Urgency
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.ports.notifier import Untold
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.spec.words import seconds_in_words

_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--test", metavar="CHANNEL", help="tell this channel something harmless, now")
    add_key(parser)


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    policy = platform.pipeline.notifications
    if policy is None:
        raise NotFound("No channel is declared.", f"Declare `notifications` in {platform.pipeline.file}.")
    return _test(platform, policy, options, console) if options.test else _show(platform, policy, console)


def _test(platform: Platform, policy: NotificationPolicy, options: argparse.Namespace, console: Console) -> int:
    """Send at once, past the queue: whoever tests wants to see what the channel says."""
    name = options.test
    if name not in policy.channels:
        raise NotFound(f"There is no channel {name!r}.", f"Declared are: {', '.join(policy.channels)}.")
    who_asks(platform, options, Verb.TEST_CHANNEL, channel=name)
    now = platform.clock.now()
    test = Notification(
        key=f"test/{name}/{now.isoformat()}",
        incident_id=f"test/{name}",
        subject="ShopKart's pipeline tests this channel",
        body=f"Sent at {now:%Y-%m-%d %H:%M:%S} UTC by `shopkart notify --test {name}`. There is nothing to do.",
        url=platform.public_url or None,
        urgency=Urgency.OVER,
    )
    try:
        platform.notifiers[name].send(test, None, maybe_sent=False)
    except PipelineError as error:
        console.print(f"[bold red]{name} did not take it:[/] {escape(plain(error.what))}")
        console.print(f"  {escape(plain(error.fix))}")
        return 1
    console.print(f"[bold green]{name} took it.[/] See whether it has arrived where people look.")
    return 0


def _show(platform: Platform, policy: NotificationPolicy, console: Console) -> int:
    untold = () if platform.notifications is None else platform.notifications.untold()
    for name, channel in policy.channels.items():
        when = ["at once"] if name in policy.first else []
        when += [
            f"after {seconds_in_words(level * policy.escalate_after_seconds)} without an answer"
            for level, each in enumerate(policy.escalate_to, 1)
            if each == name
        ]
        console.print(f"[bold]{name}[/]  {channel.kind.value}, told {' and '.join(when) or 'never'}")
    for each in untold[:_SHOWN]:
        console.print(f"[bold red]{told_late(each)}[/]", markup=True)
    if len(untold) > _SHOWN:
        console.print(f"… and {len(untold) - _SHOWN} more")
    return 1 if untold else 0


def told_late(untold: Untold) -> str:
    """What has not arrived, in one line of markup."""
    state = "was given up" if untold.given_up else f"waits since {untold.put_at:%Y-%m-%d %H:%M:%S} UTC"
    tries = f", tried {untold.attempts} times" if untold.attempts else ""
    reason = f": {escape(plain(untold.reason))}" if untold.reason else ""
    return f"{escape(untold.channel)}: {escape(plain(untold.notification.subject))} {state}{tries}{reason}"
