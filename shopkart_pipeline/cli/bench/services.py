"""How the pipeline grows with the number of declared services: loading the definitions, and looking for nothing to do.

A declared service is eighteen stages with their gates, an approval and four jobs. Loading is told without and with the
imports that any process pays; beside it stands what a code server does further before the web interface shows
anything: resolving every job, and describing all of it.
"""

from pathlib import Path

from shopkart_pipeline.cli.bench.growth import curve, limited
from shopkart_pipeline.cli.bench.measures import Measurement
from shopkart_pipeline.cli.bench.surroundings import Surroundings, ask_process, own_settings

NAME = "services"
_QUANTITIES = {
    "load_seconds": "definitions load",
    "import_and_load_seconds": "definitions load with imports",
    "jobs_seconds": "every job resolved",
    "describe_seconds": "description for the web interface",
    "tick_seconds": "tick of all sensors with nothing to do",
}
_LIMITS = {
    "definitions load, 1,000 services": 5.0,
    "tick of all sensors with nothing to do, 1,000 services": 1.0,
}
_DECLARATION = """\
version: 1
defaults:
  owners: [team:bench]
  source: {repository: bench/services, remote: "{home}/git/{repository}.git", path: "{service}"}
  workload: {command: [python, -m, nothing]}
  environments:
    production: {approvals: {approvers: [maya@shopkart.example]}}
services:
"""
_LOADS = 3


def measure(around: Surroundings) -> Measurement:
    """Load declarations of growing size, each in processes of its own."""
    found: dict[str, dict[int, list[float]]] = {key: {} for key in _QUANTITIES}
    with around.folder() as folder:
        for size in around.service_counts:
            for told in _load(folder / str(size), size, min(_LOADS, around.repeats)):
                for key in _QUANTITIES:
                    found[key].setdefault(size, []).append(told[key])
    measures = [each for key, quantity in _QUANTITIES.items() for each in curve(quantity, "s", found[key], "services")]
    return Measurement(NAME, "Services in the declaration", tuple(limited(measures, _LIMITS)))


def _load(folder: Path, size: int, times: int) -> list[dict[str, float]]:
    folder.mkdir(parents=True)
    declaration = folder / "shopkart.yaml"
    declaration.write_text(_DECLARATION + "".join(f"  service-{number:05}: {{}}\n" for number in range(size)))
    settings = own_settings(folder / "home", declaration)
    return [ask_process(settings, "load_definitions") for _ in range(times)]
