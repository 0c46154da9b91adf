"""The pipeline's own installation as tests have it: from the shipped declaration, with names that are nobody's."""

from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from shopkart_pipeline.adapters.kubernetes.pipeline_chart import render_chart
from shopkart_pipeline.adapters.kubernetes.pipeline_objects import render_installation
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.installation import Installation
from shopkart_pipeline.settings import SHIPPED_DECLARATION
from shopkart_pipeline.spec.loader import load

ROOT = Path(__file__).resolve().parents[1]
DEPLOYED = ROOT / "deploy" / "kubernetes"
CHART = ROOT / "deploy" / "helm" / "shopkart-pipeline"
IMAGE = f"registry.example/shopkart-pipeline@sha256:{'a' * 64}"
INSTALLATION = Installation(IMAGE, "shopkart-compute-logs", "eu-central-1")
_WRITE = f"shopkart cluster-files --image {IMAGE} --compute-logs shopkart-compute-logs --region eu-central-1"
WRITE = f"{_WRITE} --out deploy/kubernetes"
WRITE_CHART = f"{_WRITE} --helm --out deploy/helm/shopkart-pipeline"


@cache
def pipeline() -> Pipeline:
    return load(SHIPPED_DECLARATION, home=Path("/var/lib/shopkart"))


@cache
def files() -> dict[str, str]:
    return render_installation(pipeline(), INSTALLATION)


@cache
def chart_files() -> dict[str, str]:
    return render_chart(pipeline(), INSTALLATION, version("shopkart-pipeline"))


@cache
def _all() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(files()["manifests.yaml"]))


def objects(kind: str) -> dict[str, dict[str, Any]]:
    """The objects of a kind, by name."""
    return {each["metadata"]["name"]: each for each in _all() if each["kind"] == kind}
