"""What may run in an environment of production, as its cluster is told: by whom, from where, and proved by what."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AdmittedImage:
    """The image of a service, and what its signed statements have to say."""

    service: str
    name: str
    """As the nodes pull it, without tag and digest: `registry.example/shop/backend`."""
    repository: str
    """Where its code is, as `owner/name`."""
    branch: str
    """What it is released from."""
    builder: str | None
    """Who builds it: the `builder.id` of its provenance; None: there are no statements about it."""


@dataclass(frozen=True)
class Admission:
    """What the cluster of one environment admits."""

    environment: str
    namespace: str
    identity: str
    """As whom the cluster knows the pipeline."""
    images: tuple[AdmittedImage, ...]
    others: tuple[str, ...] = ()
    """Names of images beside those of services, such as a mesh's sidecar; by digest as well."""


@dataclass(frozen=True)
class StatementTerms:
    """What the pipeline's statements call things, so that a rule can name them."""

    build_type: str
    """Of provenance."""
    verifier: str
    """The `verifier.id` of summaries of verification."""
