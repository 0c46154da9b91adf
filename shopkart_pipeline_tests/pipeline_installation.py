"""The pipeline's own installation as tests have it: from the shipped declaration, with names that are nobody's."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from shopkart_pipeline.adapters.kubernetes.pipeline_objects import render_installation
from shopkart_pipeline.domain.installation import Installation
from shopkart_pipeline.settings import SHIPPED_DECLARATION
from shopkart_pipeline.spec.loader import load

ROOT = Path(__file__).resolve().parents[1]
DEPLOYED = ROOT / "deploy" / "kubernetes"
IMAGE = f"registry.example/shopkart-pipeline@sha256:{'a' * 64}"
INSTALLATION = Installation(IMAGE, "shopkart-compute-logs", "eu-central-1")
WRITE = (
    f"shopkart cluster-files --image {IMAGE} --compute-logs shopkart-compute-logs --region eu-central-1"
    " --out deploy/kubernetes"
)


@cache
def files() -> dict[str, str]:
    return render_installation(load(SHIPPED_DECLARATION, home=Path("/var/lib/shopkart")), INSTALLATION)


@cache
def _all() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(files()["manifests.yaml"]))


def objects(kind: str) -> dict[str, dict[str, Any]]:
    """The objects of a kind, by name."""
    return {each["metadata"]["name"]: each for each in _all() if each["kind"] == kind}
