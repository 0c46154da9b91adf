"""`shopkart cluster-files`: the pipeline's own installation on Kubernetes, generated from the declaration.

Written into a folder as `shopkart monitoring` does it. What differs by account is given as arguments.
"""

import argparse
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.adapters.kubernetes.pipeline_chart import render_chart
from shopkart_pipeline.adapters.kubernetes.pipeline_objects import render_installation
from shopkart_pipeline.cli.generated_folder import compare_folder, write_folder
from shopkart_pipeline.domain.installation import Installation
from shopkart_pipeline.domain.kept_here import kept_here
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.spec.loader import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where the files are")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where a file is not up to date")
    parser.add_argument("--helm", action="store_true", help="write a Helm chart in place of plain manifests")
    parser.add_argument("--image", required=True, help="image of the code location, as REPOSITORY@sha256:DIGEST")
    parser.add_argument("--compute-logs", metavar="BUCKET", required=True, help="bucket for outputs of steps")
    parser.add_argument("--region", required=True, help="AWS region of the bucket")
    parser.add_argument("--namespace", default=Installation.namespace, help="default: %(default)s")
    words = "ClusterSecretStore of the External Secrets Operator; default: %(default)s"
    parser.add_argument("--secret-store", metavar="NAME", default=Installation.secret_store, help=words)
    words = "key that signs statements, such as awskms:KEY; default: SHOPKART_SIGNER_KEY of the secret `signer`"
    parser.add_argument("--signer-uri", metavar="URI", default="", help=words)


def run(options: argparse.Namespace) -> int:
    settings, console = from_environment(), Console(soft_wrap=True, highlight=False)
    installation = Installation(
        options.image,
        options.compute_logs,
        options.region,
        options.namespace,
        options.secret_store,
        signer_uri=options.signer_uri,
    )
    pipeline = load(settings.declaration, home=settings.home)
    notes = Console(stderr=True, soft_wrap=True, highlight=False)
    for line in kept_here(pipeline, settings.home):
        notes.print(f"It will refuse to begin there: {line}", markup=False)
    if options.helm:
        files = render_chart(pipeline, installation, version("shopkart-pipeline"))
    else:
        files = render_installation(pipeline, installation)
    return (compare_folder if options.check else write_folder)(options.out, files, console)
