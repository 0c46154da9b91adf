"""Which images an environment's cluster admits, out of the declaration.

Options of the environment: `images` as the cluster port reads it, and `identity`, as whom the cluster knows the
pipeline (the service account `pipeline` in the namespace `shopkart` unless said), and `also_admitted`, names of images
beside those of services, separated by spaces, such as the sidecar of a mesh. Only environments of production on
Kubernetes are told.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from shopkart_pipeline.adapters.kubernetes.names import Surroundings
from shopkart_pipeline.domain.admission import Admission, AdmittedImage
from shopkart_pipeline.domain.declaration import Environment, Phase, Pipeline
from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.domain.registry import Registry, RegistryKind

_NAME = re.compile(r"[a-z0-9.-]+(?::[0-9]+)?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+")
IDENTITY = "system:serviceaccount:shopkart:pipeline"
_FIX = "Declare one of phase production with `platform: kubernetes`."


def admissions_of(
    pipeline: Pipeline, builders: Mapping[str, str | None], name: str | None = None
) -> tuple[Admission, ...]:
    """What the clusters of production admit.

    Args:
        pipeline: the declaration.
        builders: who builds each service's images; None where nothing is stated about them.
        name: only of this environment; None: of all.

    Raises:
        NotFound: there is no such environment, or nobody can say how its nodes call an image.
    """
    if name is not None and name not in pipeline.environments:
        raise NotFound(f"No environment {name!r} is declared.", f"Declared are: {', '.join(pipeline.environments)}.")
    environments = [
        each
        for each in pipeline.environments.values()
        if each.phase is Phase.PRODUCTION and each.platform == "kubernetes" and name in (None, each.name)
    ]
    if not environments:
        raise NotFound("No cluster of production is declared, so there is nothing to be admitted.", _FIX)
    return tuple(_admission(pipeline, each, builders) for each in environments)


def _admission(pipeline: Pipeline, environment: Environment, builders: Mapping[str, str | None]) -> Admission:
    around = Surroundings.of(environment.options)
    where = around.images.rstrip("/") if around.images is not None else _registry(pipeline.registry, environment)
    images = tuple(
        AdmittedImage(
            service.name,
            f"{where}/{service.name}",
            service.source.repository,
            service.source.branch,
            builders[service.name],
        )
        for service in pipeline.services.values()
        if environment.name in service.deployments
    )
    identity = environment.options.get("identity", IDENTITY)
    others = environment.options.get("also_admitted", "").split()
    for each in (*(image.name for image in images), *others):
        if not _NAME.fullmatch(each):
            what = f"{each!r} in the options of {environment.name} is no name of an image."
            raise PipelineError(what, "Write it without tag and digest, such as registry.example/shop/sidecar.")
    namespace = around.namespace.replace("{environment}", environment.name)
    return Admission(environment.name, namespace, identity, images, tuple(others))


def _registry(registry: Registry, environment: Environment) -> str:
    """Host of the registry, with the beginning that all names have there."""
    return f"{_host(registry, environment)}/{registry.prefix}".rstrip("/")


def _host(registry: Registry, environment: Environment) -> str:
    match registry.kind:
        case RegistryKind.OCI:
            return urlsplit(registry.address).netloc
        case RegistryKind.ECR if registry.account is not None:
            ending = ".cn" if str(registry.region).startswith("cn-") else ""
            return f"{registry.account}.dkr.ecr.{registry.region}.amazonaws.com{ending}"
        case RegistryKind.ECR | RegistryKind.DISK:
            raise NotFound(
                f"Nobody says where the nodes of {environment.name} pull images from.",
                f"Declare `account` of an ECR registry, or `environments: {{{environment.name}: {{options: {{images: "
                "registry.example/shop}}}}`.",
            )
