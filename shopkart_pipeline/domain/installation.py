"""Where the pipeline itself is installed on Kubernetes: what no declaration can say, because it differs by account."""

import re
from dataclasses import dataclass

from shopkart_pipeline.domain.errors import PipelineError

_IMAGE = re.compile(r"[a-z0-9][a-z0-9._:/-]{0,254}@sha256:[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,55}[a-z0-9])?")
"""Shorter than Kubernetes' own: the namespace of steps is called after the pipeline's."""


@dataclass(frozen=True)
class Installation:
    """One pipeline in one cluster."""

    image: str
    """Of the code location, by digest."""
    compute_logs_bucket: str
    """For outputs of steps."""
    region: str
    namespace: str = "shopkart-pipeline"
    """In which `deploy/terraform` gives service accounts their roles."""
    secret_store: str = "aws"
    """Name of the External Secrets Operator's `ClusterSecretStore`."""
    secret_prefix: str = "shopkart/pipeline"
    signer_uri: str = ""
    """The key that signs statements, such as `awskms:alias/shopkart-signing`; empty: one that the signer makes."""

    def __post_init__(self) -> None:
        if not _IMAGE.fullmatch(self.image):
            raise PipelineError(
                f"{self.image!r} is no image by digest.", "Name it as REGISTRY/REPOSITORY@sha256:DIGEST."
            )
        if not _LABEL.fullmatch(self.namespace):
            raise PipelineError(f"{self.namespace!r} is no namespace.", "Use one such as shopkart-pipeline.")
        for what, value in (
            ("bucket", self.compute_logs_bucket),
            ("region", self.region),
            ("store", self.secret_store),
        ):
            if not _NAME.fullmatch(value):
                raise PipelineError(f"{value!r} is no {what}.", "Use lower-case letters, digits, dots and hyphens.")
