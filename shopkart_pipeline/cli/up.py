"""`shopkart up`: web interface, daemon, receiver, metrics and local platform in the foreground, until Ctrl-C. What ends
by itself is started again.

With `--read-only` it is the web interface for auditors alone, beside a pipeline that runs or one that doesn't.
"""

import argparse
import time

from rich.console import Console
from rich.markup import escape

from shopkart_pipeline.adapters.local_cluster import wait_ready
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.cli.listening import add_host, names_of, warn_where_open
from shopkart_pipeline.cli.stack import (
    Stack,
    end_leftovers,
    start_daemon,
    start_engine,
    start_exporter,
    start_platform,
    start_receiver,
    start_signer,
    start_web,
    wait_for_engine,
    wait_for_port,
)
from shopkart_pipeline.cli.supervision import Supervision
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.engine.web_options import WebOptions
from shopkart_pipeline.ports.confinement import NotConfined
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.settings import Settings, from_environment, webhook_secrets_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Ports come from SHOPKART_PORT, SHOPKART_RECEIVER_PORT, SHOPKART_EXPORTER_PORT and SHOPKART_AUDIT_PORT."
    )
    add_host(parser, "the web interface")
    words = "serve the web interface alone, for auditors: nothing can be launched or changed there"
    parser.add_argument("--read-only", action="store_true", help=words)


def run(options: argparse.Namespace) -> int:
    if options.read_only:
        return _serve_auditors(options.host)
    settings, platform, console = from_environment(), open_platform(), Console(soft_wrap=True, highlight=False)
    warn_where_open("The web interface", options.host, settings.proxy)
    webhook_secrets_of(settings)
    if end_leftovers(settings):
        console.print("Ended the processes of an earlier start that was killed.")
    stack = Stack(settings)
    try:
        _start(stack, console, options.host)
        _print_addresses(console, settings, platform)
        supervision = Supervision(stack)
        while True:
            for line in supervision.look():
                console.print(line, markup=False)
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        console.print("Stopping: new work first, replicas and databases last …")
        stack.stop()


def _serve_auditors(host: str) -> int:
    # Nothing else of this command needs Dagster.
    from shopkart_pipeline.engine.web import serve

    settings, console = from_environment(), Console(soft_wrap=True, highlight=False)
    warn_where_open("The web interface for auditors", host, settings.proxy)
    console.print(f"Web interface for auditors: http://{host}:{settings.audit_port}. Ctrl-C stops it.")
    options = WebOptions(host, settings.audit_port, names_of(host, settings.proxy), read_only=True)
    serve(settings.dagster_home, options)
    return 0


def _start(stack: Stack, console: Console, host: str) -> None:
    settings = stack.settings
    console.print("Starting the local platform and the engine …")
    start_signer(stack)
    start_platform(stack)
    start_engine(stack)
    wait_ready(settings.home, 60, SystemClock())
    wait_for_engine(stack)
    start_receiver(stack)
    start_daemon(stack)
    start_web(stack, WebOptions(host, settings.web_port, names_of(host, settings.proxy)))
    start_exporter(stack)
    wait_for_port(stack, settings.receiver_port)
    wait_for_port(stack, settings.web_port)
    wait_for_port(stack, settings.exporter_port)


def _print_addresses(console: Console, settings: Settings, platform: Platform) -> None:
    console.print(f"web interface  http://127.0.0.1:{settings.web_port}")
    console.print(f"receiver       http://127.0.0.1:{settings.receiver_port}/webhooks/github")
    console.print(f"metrics        http://127.0.0.1:{settings.exporter_port}/metrics")
    if settings.alertmanager_tokens:
        console.print(f"alerts         http://127.0.0.1:{settings.receiver_port}/webhooks/alertmanager")
    confined = platform.confinement()
    if isinstance(confined, NotConfined):
        console.print(f"[bold red]Commands are not confined here:[/] {escape(confined.reason)}")
    for name, site in platform.sites.items():
        for service in platform.pipeline.services:
            try:
                console.print(f"{name:<14} {service}: {site.cluster.observe(name, service).url}")
            except PipelineError as error:
                console.print(f"{name:<14} {service}: {error.what}")
    console.print("Ctrl-C stops everything; what runs here starts again with the next `shopkart up`.")
