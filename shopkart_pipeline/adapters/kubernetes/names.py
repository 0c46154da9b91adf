"""Names and labels of everything that a service has in a cluster.

A name says what is in an object where that never changes: configuration and external secrets carry a hash of their
content, so that another content is another object and the old one is still there for a rollback. Selectors hold only
what never changes either, because a Deployment's selector can't. Service names have 40 characters at most, which
leaves room for every suffix within Kubernetes' 63.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.declaration import Environment
from shopkart_pipeline.domain.workload import Track, WorkloadSpec

Manifest = dict[str, Any]
"""One object as the API takes it: plain dictionaries, lists and values."""

NAME, INSTANCE = "app.kubernetes.io/name", "app.kubernetes.io/instance"
VERSION, MANAGED_BY = "app.kubernetes.io/version", "app.kubernetes.io/managed-by"
TRACK = "shopkart/track"
RELEASE, COMMIT, CONFIGURATION = "shopkart/release", "shopkart/commit", "shopkart/configuration"
FIELD_MANAGER = "shopkart"
DATASTORES = ("redis_url", "database_url")
PORT_NAME = "http"
SERVICE_PORT = 80
REQUESTS_METRIC = "shopkart_requests_per_second"
"""Of each pod, as prometheus-adapter tells the autoscaler."""
ANY_DIGEST = f"sha256:{'0' * 64}"
"""Stands for any image where manifests are only looked at."""
_HASH_CHARACTERS = 10


@dataclass(frozen=True)
class Place:
    """Where a service's objects are, and what they are told of their surroundings."""

    namespace: str
    environment: str
    service: str
    image: str
    """As the nodes pull it, with its digest: `registry.example/shop/backend@sha256:...`."""
    addresses: Mapping[str, str] = field(default_factory=dict[str, str])
    """What placeholders of variables stand for there, such as `redis_url` or `url:backend`; none of it is secret."""
    datastores_secret: str = "datastores"
    """The Secret whose keys `redis_url` and `database_url` stand for these where `addresses` doesn't say them."""

    def track_name(self, track: Track) -> str:
        """Name of what there is once for each track."""
        return self.service if track is Track.STABLE else f"{self.service}-{track.value}"


@dataclass(frozen=True)
class Surroundings:
    """Where an environment's services are, beyond what their declaration says."""

    namespace: str = "{environment}"
    addresses: Mapping[str, str] = field(default_factory=dict[str, str])
    """As in `Place`."""
    datastores_secret: str = Place.datastores_secret
    images: str | None = None
    """Where nodes pull images from, such as `registry.example/shop`; None: from the registry they were pushed to."""
    settle_seconds: float = 2.0
    """From a change of endpoints until every proxy goes by it."""
    route_seconds: float = 4.0
    """How long a route may take to follow, each time; a worker can't renew its lease meanwhile."""

    @classmethod
    def of(cls, options: Mapping[str, str]) -> "Surroundings":
        """As the options of an environment say: `namespace` (the environment's name unless said), `images`,
        `datastores_secret`, `settle_seconds`, and for datastores without a password `redis_url` and `database_url`."""
        return cls(
            namespace=options.get("namespace", cls.namespace),
            addresses={name: options[name] for name in DATASTORES if name in options},
            datastores_secret=options.get("datastores_secret", cls.datastores_secret),
            images=options.get("images"),
            settle_seconds=float(options.get("settle_seconds", cls.settle_seconds)),
        )

    def place(self, environment: str, service: str, image: str, repository: str | None = None) -> Place:
        """Where a service is; `image` is the one that the registry names, `NAME@DIGEST`, from `repository` there."""
        if self.images is not None:
            image = f"{self.images.rstrip('/')}/{repository or service}@{image.partition('@')[2]}"
        namespace = self.namespace.replace("{environment}", environment)
        return Place(namespace, environment, service, image, self.addresses, self.datastores_secret)


def place_of(environment: Environment, service: str, image: str) -> Place:
    """Where a service is in an environment, as the options of the environment say."""
    return Surroundings.of(environment.options).place(environment.name, service, image)


def place_of_any(environment: Environment, service: str) -> Place:
    """The same for an image that stands for any, where it does not matter which one it is."""
    return place_of(environment, service, f"{service}@{ANY_DIGEST}")


def metadata(place: Place, name: str, track: Track | None = None, spec: WorkloadSpec | None = None) -> Manifest:
    """Metadata of an object of a service, or of one track of it.

    Args:
        place: where it is.
        name: its name.
        track: the track that it belongs to, if it belongs to one.
        spec: given where the object changes with every release: it then says which one it is of.
    """
    labels = selector(place, track) | {MANAGED_BY: FIELD_MANAGER}
    found: Manifest = {"name": name, "namespace": place.namespace, "labels": labels}
    if spec is not None:
        labels[VERSION] = spec.release_key
        found["annotations"] = origin(spec)
    return found


def origin(spec: WorkloadSpec) -> dict[str, str]:
    """The annotations that say what a Deployment or a pod is of: release, commit and configuration."""
    return {RELEASE: spec.release_key, COMMIT: spec.commit, CONFIGURATION: spec.configuration}


def selector(place: Place, track: Track | None = None) -> dict[str, str]:
    """The labels that tell a service's pods, or those of one track, from all others of the namespace."""
    labels = {NAME: place.service, INSTANCE: place.environment}
    return labels if track is None else labels | {TRACK: track.value}


def job_selector(place: Place) -> dict[str, str]:
    """The labels that tell the pods of a service's jobs; no Service, budget or policy of its replicas fits them."""
    return {NAME: f"{place.service}-jobs", INSTANCE: place.environment}


def image_name(reference: str) -> str:
    """An image's name without its tag and digest."""
    name = reference.partition("@")[0]
    return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name


def hashed(name: str, content: object) -> str:
    """A name that is another one as soon as the content is."""
    return f"{name}-{digest_of(content).removeprefix('sha256:')[:_HASH_CHARACTERS]}"
