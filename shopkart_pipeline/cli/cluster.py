"""`shopkart cluster`: the local cluster's controller, in the foreground. `shopkart up` starts it by itself."""

import argparse

from shopkart_pipeline.adapters.local_cluster import serve
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.confinement_wiring import confine_commands
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline.wiring import build_registry, choose_runtime


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "SIGTERM drains and stops everything; what is wanted is kept and comes back at the next start."


def run(options: argparse.Namespace) -> int:
    del options
    settings = from_environment()
    pipeline = load(settings.declaration, home=settings.home)
    confine_commands(settings, pipeline)
    names = [name for name, environment in pipeline.environments.items() if environment.platform == "local"]
    runtime, reason = choose_runtime(settings)
    print(f"replicas run by the runtime {runtime}: {reason}", flush=True)
    registry = build_registry(settings, pipeline.registry)
    serve(
        settings.home,
        registry,
        SystemClock(),
        environments=names,
        runtime=runtime,
        docker_host=settings.docker_host,
    )
    return 0
