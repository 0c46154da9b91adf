"""`shopkart scale`: declared windows of more replicas, which one is on, which comes next, and what is set now.

Exit code 1 where what is set is not what has to be, or can't be seen.
"""

import argparse
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.scale_ahead import Scale, ahead_at, minimum, next_span, scale_of
from shopkart_pipeline.domain.scale_window import Span
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.tend_scale import bounds_line, last_scaled


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", nargs="?", metavar="SERVICE", help="this one only")


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    services = platform.pipeline.services.values()
    chosen = [*services] if options.service is None else [platform.service(options.service)]
    shown = [(each.name, deployment) for each in chosen for deployment in each.deployments.values()]
    shown = [each for each in shown if each[1].scale_ahead]
    if not shown:
        console.print("No window is declared: see `scale_ahead` in docs/sale-days.md.")
        return 0
    fine = [_show(platform, console, service, deployment) for service, deployment in shown]
    return 0 if all(fine) else 1


def _show(platform: Platform, console: Console, service: str, deployment: Deployment) -> bool:
    now, environment = platform.clock.now(), deployment.environment
    ahead, daily, coming = ahead_at(deployment, now), scale_of(deployment), next_span(deployment, now)
    set_now, fine = _set_now(platform, service, environment, ahead.scale)
    console.print(f"[bold]{escape(service)}[/] in {escape(environment)}: {ahead.scale.words}")
    console.print(f"  every day   {daily.words}")
    console.print(f"  on now      {escape(_words(ahead.span))}")
    console.print(f"  next        {escape(_words(coming))}")
    console.print(f"  set now     [{'green' if fine else 'red'}]{escape(set_now)}[/]")
    last = last_scaled(platform, service, environment)
    if last is not None:
        console.print(f"  last change {last.at.isoformat(timespec='seconds')} by {escape(last.actor)}: ", end="")
        console.print(escape(last.body["reason"]))
    console.print(_windows(deployment, now))
    return fine


def _set_now(platform: Platform, service: str, environment: str, wanted: Scale) -> tuple[str, bool]:
    try:
        stable = platform.sites[environment].cluster.observe(environment, service).stable
        if stable is None:
            return "nothing runs", False
        line = bounds_line(platform, service, environment, stable)
    except PipelineError as error:
        return f"can't be seen: {error.what} {error.fix}", False
    spec = stable.spec
    found = Scale(spec.replicas, spec.autoscale)
    same = spec.autoscale == wanted.autoscale and (spec.autoscale is not None or spec.replicas == wanted.replicas)
    text = f"{found.words}, {stable.ready} ready" + (f"; {line}" if line else "")
    return text, same and line is None


def _words(span: Span | None) -> str:
    if span is None:
        return "nothing"
    warm, begins, ends = (each.isoformat(timespec="minutes") for each in (span.warm_at, span.begins_at, span.ends_at))
    return f"{span.name}: raised at {warm}, from {begins} until {ends}"


def _windows(deployment: Deployment, now: datetime) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 2))
    for name in ("window", "at least", "state"):
        table.add_column(name)
    for window in deployment.scale_ahead:
        on, coming = window.on_at(now), window.next_after(now)
        state = "on" if on else f"next at {coming.warm_at.isoformat(timespec='minutes')}" if coming else "over"
        table.add_row(escape(window.name), str(minimum(window, scale_of(deployment))), state)
    return table
