"""The `shopkart` command.

Commands are imported when they are called: most of them need neither Dagster nor an instance, and answer at once.
Exit codes: 0 all is well, 1 it did not work or was refused, 2 the arguments or the declaration can't be used.
"""

import argparse
import importlib
import keyword
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from shopkart_pipeline.domain.errors import DeclarationError, PipelineError
from shopkart_pipeline.masked_output import install, masked_streams

_COMMANDS = {
    "demo": "run the main job: four releases of the storefront, from merge to production and back",
    "up": "run web interface, daemon, receiver, metrics and local platform together, until Ctrl-C",
    "receive": "run the webhook receiver alone",
    "cluster": "run the local cluster alone",
    "validate": "check the declaration and report every fault at once",
    "plan": "show what would run, for which services, with which gates",
    "import": "translate a declarative Jenkinsfile into a declaration, and say what could not be",
    "render": "print the Kubernetes manifests of an environment",
    "releases": "list releases and where they stand",
    "show": "show one release: stages, gates, approvals, rollout",
    "findings": "show what the tools found, or write it as SARIF",
    "rerun": "run a stage of a release again, and everything downstream of it",
    "roles": "show who may do what",
    "approve": "sign an approval for production",
    "rollback": "bring production back to the release before",
    "judge": "show what the canary's judge can promise, or decide a past rollout again by another policy",
    "rebuild": "build a release's image once more and compare it with the recorded one",
    "scale": "show windows of more replicas: which is on, which comes next, and what is set now",
    "health": "show the eight metrics of what runs, and whether it keeps what is promised",
    "incidents": "list incidents, or show one with its postmortem",
    "incident": "go through an incident: open, ack, investigate, logs, cause, rollback, verify, close, postmortem",
    "drill": "have the case study's incident happen on a platform of its own, and score how it is found and mended",
    "logs": "show what a service wrote into its logs, and its errors by kind",
    "notify": "show how people are told and what could not be told, or test a channel",
    "metrics": "show how software is delivered: frequency, lead time, failures, recovery, rework",
    "signer": "sign what the pipeline states, in a process of its own, or rotate its key",
    "exporter": "serve the pipeline's own metrics to Prometheus",
    "monitoring": "write what Prometheus, Alertmanager, Grafana, Loki and Kubernetes need to watch what runs",
    "cluster-files": "write what installs the pipeline itself on Kubernetes",
    "admission": "write or show the rule by which a cluster of production admits images and changes",
    "iac": "show how infrastructure differs from its declaration, or write what there is of it",
    "github": "show how the pipeline is connected to GitHub, and what it lacks there",
    "protection": "show how branches are protected, beside what is declared",
    "evidence": "write everything about a release to one file that proves itself",
    "controls": "write which evidence answers which requirement of SLSA, SOC 2 and PCI DSS",
    "verify": "check such a file, a release or an image against public keys, claim by claim",
    "ledger": "show, verify or sign the record of acts that change what may run",
    "rescan": "scan what runs in production with today's advisories, under today's policy",
    "rescans": "list the work that rescans of production found",
    "gate": "judge past releases again: what would another policy, or today's advisories, have blocked?",
    "affected": "show what an advisory or a package affects: environments and releases",
    "backup": "back up what is declared under `recovery`",
    "backups": "list backups, and which of them a drill has verified",
    "drill-recovery": "recover from the newest backups beside everything that runs, and see whether that works",
    "restore": "write what a backup holds to a file",
    "stores": "copy evidence, incidents and messages from a home into PostgreSQL",
    "release-notes": "show what changed in a version of the pipeline",
    "capacity": "show how many builds an hour the pipeline takes, and what limits it",
    "bench": "measure how fast the pipeline is on this machine, beside peers",
    "test": "run the project's tests",
    "lint": "run the project's linter, type checker and import contracts",
}

_CHECKOUT = Path(__file__).resolve().parents[2] / "examples"
"""There in a checkout of the project alone."""
_OF_A_CHECKOUT = frozenset({"bench", "demo", "drill", "lint", "test"})
"""They work on the storefront's sources or on the project's own, which no wheel carries."""


class _Version(argparse.Action):
    """Looks the version up when it is asked for: `pyproject.toml` says it, and the installation knows."""

    def __call__(self, parser: argparse.ArgumentParser, *ignored: object, **also: object) -> None:
        from importlib.metadata import version

        print(f"shopkart {version('shopkart-pipeline')}")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the console script."""
    parser = argparse.ArgumentParser(prog="shopkart", description="ShopKart's CI/CD pipeline.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version, and end")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    given = list(sys.argv[1:] if arguments is None else arguments)
    if _OF_A_CHECKOUT.intersection(given[:1]) and not _CHECKOUT.is_dir():
        what = f"`shopkart {given[0]}` needs a checkout of the project: what it works on is in no wheel."
        _tell(PipelineError(what, f"Clone the project, and call `./shopkart {given[0]}` there."))
        raise SystemExit(PipelineError.exit_code)
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name in given[:1]:
            _module(name).add_arguments(command)
    options, others = parser.parse_known_args(given)
    if others and not hasattr(options, "passed_on"):
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    options.passed_on = others
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    install()
    with masked_streams():
        raise SystemExit(_run(options))


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Being told to end is like Ctrl-C, also where a shell started this in the background with Ctrl-C ignored: what
    was started is stopped in order."""
    raise KeyboardInterrupt


def _run(options: argparse.Namespace) -> int:
    try:
        return _module(options.command).run(options)
    except PipelineError as error:
        _tell(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _tell(error: PipelineError) -> None:
    from rich.console import Console

    errors = Console(stderr=True, soft_wrap=True, highlight=False)
    if isinstance(error, DeclarationError):
        for fault in error.faults:
            errors.print(str(fault), markup=False)
        errors.print(f"{len(error.faults)} faults; nothing was changed.", style="bold red")
        return
    errors.print(f"shopkart: {error.what}", style="bold red", markup=False)
    errors.print(f"  {error.fix}", markup=False)


def _module(name: str) -> Any:
    """A module with `add_arguments(parser)` and `run(options) -> int`."""
    module = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
    return importlib.import_module(f"shopkart_pipeline.cli.{module}")
