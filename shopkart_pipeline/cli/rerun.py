"""`shopkart rerun RELEASE [STAGE]`: a stage and everything downstream of it in its phase, once more.

The request is durable before anything is launched: it is in the ledger and in the inbox. A worker is started where none
serves, so this works with and without `shopkart up`.
"""

import argparse

from rich.console import Console

from shopkart_pipeline.cli.arguments import add_key, add_release, find_release, open_platform, who_asks
from shopkart_pipeline.cli.follow import follow
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.engine.doorbell import DRAIN
from shopkart_pipeline.engine.instance_home import prepare_home
from shopkart_pipeline.engine.run_ids import run_id_of
from shopkart_pipeline.engine.warm_client import ServerOptions, WarmClient
from shopkart_pipeline.services.rerun_stages import ask_for_rerun
from shopkart_pipeline.settings import Settings, from_environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_release(parser)
    parser.add_argument(
        "stage", metavar="STAGE", nargs="?", help="the stage; all of continuous integration without one"
    )
    add_key(parser)
    parser.add_argument("--no-reuse", action="store_true", help="do the work again, also where its result is at hand")
    parser.add_argument("--wait", action="store_true", help="follow the run to its end; exit code 1 unless all passed")


def run(options: argparse.Namespace) -> int:
    platform, settings = open_platform(), from_environment()
    release = find_release(platform, options.release)
    stages = platform.service(release.service).stages_of(Phase.PRODUCTION)
    verb = Verb.RERUN_PRODUCTION if options.stage in {stage.name for stage in stages} else Verb.RERUN
    actor = who_asks(platform, options, verb, release.service, release.key, stages=options.stage or "all of ci")
    request = ask_for_rerun(platform, release, options.stage, actor=actor, no_reuse=options.no_reuse)
    _wake(settings)
    run_id, console = run_id_of(request.key), Console(soft_wrap=True, highlight=False)
    console.print(f"{release.name} runs again: {', '.join(request.stages)}")
    console.print(f"  run {run_id}")
    if options.wait:
        return 0 if follow(console, platform, settings.dagster_home, release, request.stages, run_id) else 1
    console.print(f"  follow it with `shopkart show {release.name}`, or at")
    console.print(f"  http://127.0.0.1:{settings.web_port}/runs/{run_id} while `shopkart up` runs")
    return 0


def _wake(settings: Settings) -> None:
    """Have a worker look into the inbox now."""
    prepare_home(settings.dagster_home)
    client = WarmClient(settings.dagster_home)
    client.ensure_server(ServerOptions())
    client.call(DRAIN)
