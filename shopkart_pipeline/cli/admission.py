"""`shopkart admission`: the rule of deployment for the cluster of production, generated from the declaration.

It is shown, or kept in a folder as `shopkart monitoring` does it. Notes go to standard error, so what is shown can be
given to `kubectl apply -f -`.
"""

import argparse
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.adapters.admission import render_admission
from shopkart_pipeline.adapters.admission.admitted import admissions_of
from shopkart_pipeline.adapters.dsse import read_keys
from shopkart_pipeline.cli.generated_folder import compare_folder, write_folder
from shopkart_pipeline.domain.admission import StatementTerms
from shopkart_pipeline.domain.declaration import Pipeline, StageKind
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.trusted_key import TrustedKeys
from shopkart_pipeline.services.provenance import BUILD_TYPE, builder_of
from shopkart_pipeline.services.summarise_verification import VERIFIER
from shopkart_pipeline.settings import Settings, from_environment
from shopkart_pipeline.spec.loader import load

_TERMS = StatementTerms(BUILD_TYPE, VERIFIER)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--environment", metavar="ENVIRONMENT", help="only of this one; default: all of production")
    parser.add_argument("--keys", metavar="FILE", type=Path, help="the trusted keys; default: those of the home")
    parser.add_argument("--out", metavar="FOLDER", type=Path, help="where the files are; default: they are shown")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where a file is not up to date")


def run(options: argparse.Namespace) -> int:
    settings, console = from_environment(), Console(soft_wrap=True, highlight=False)
    notes = Console(stderr=True, soft_wrap=True, highlight=False)
    pipeline = load(settings.declaration, home=settings.home)
    keys = _keys(settings, options.keys, notes)
    files = admission_files(pipeline, keys, options.environment)
    for name, builder in _builders(pipeline).items():
        if builder is None:
            notes.print(f"{name} has no stage `attestations`: no statement is asked for.", markup=False)
    if options.out is not None:
        return (compare_folder if options.check else write_folder)(options.out, files, console)
    for text in files.values():
        console.out(text, end="")
    return 0


def admission_files(pipeline: Pipeline, keys: TrustedKeys | None, environment: str | None = None) -> dict[str, str]:
    """Every file, by its path; raises `NotFound` where there is no cluster of production."""
    return dict(render_admission(admissions_of(pipeline, _builders(pipeline), environment), _TERMS, keys))


def _builders(pipeline: Pipeline) -> dict[str, str | None]:
    return {
        service.name: builder_of(service) if service.stage_of(StageKind.ATTESTATIONS) is not None else None
        for service in pipeline.services.values()
    }


def _keys(settings: Settings, named: Path | None, notes: Console) -> TrustedKeys | None:
    """The trusted keys; None where the home has none yet."""
    path = named or settings.trusted_keys
    try:
        content = path.read_bytes()
    except OSError as error:
        if named is not None:
            raise NotFound(f"{named} can't be read: {error.strerror}.", "Name the file of trusted keys.") from error
        notes.print("Nobody signs here yet (`shopkart signer`), so ClusterImagePolicies are left out.", markup=False)
        return None
    return read_keys(content, str(path))
