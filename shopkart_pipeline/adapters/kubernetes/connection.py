"""Who we are to a cluster, and where it is: a kubeconfig, the account of the pod that we run in, or EKS.

An environment's `options` say it: `access` is `kubeconfig` (the default; with `kubeconfig`, a path, and `context`),
`in-cluster`, or `eks` (with `cluster` and `region`). Tokens are renewed before they end: those of a pod by the official
client, those of EKS here. The official client takes seconds to import, so it is imported with the first request. A
process that was forked speaks over connections of its own.

Sources: kubernetes.io, "Accessing the API from a Pod"; AWS, "aws eks get-token" and the token format of
aws-iam-authenticator.
"""

import base64
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any, cast

from shopkart_pipeline.adapters._aws import LazyClient, aws_errors
from shopkart_pipeline.adapters._confinement import private_folder
from shopkart_pipeline.adapters.kubernetes.credentials import read_certificates, without_telling
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.ports.clock import Clock

KUBECONFIG, IN_CLUSTER, EKS = "kubeconfig", "in-cluster", "eks"
_TOKEN_SECONDS = 600
"""EKS takes a token for fifteen minutes; ours are renewed after ten."""
_SIGNATURE_SECONDS = 60


@dataclass(frozen=True)
class Access:
    """How a cluster is reached."""

    how: str = KUBECONFIG
    kubeconfig: str | None = None
    """Path; None for the client's own rule (`KUBECONFIG`, then the home folder)."""
    context: str | None = None
    """None for the kubeconfig's current one."""
    cluster: str = ""
    """Name of the EKS cluster."""
    region: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, str]) -> "Access":
        """As an environment declares it.

        Raises:
            PipelineError: it is declared in a way that there is not.
        """
        how = options.get("access", EKS if "cluster" in options else KUBECONFIG)
        if how not in (KUBECONFIG, IN_CLUSTER, EKS):
            raise PipelineError(
                f"Kubernetes can't be reached by {how!r}.", f"Write `{KUBECONFIG}`, `{IN_CLUSTER}` or `{EKS}`."
            )
        if how == EKS and not options.get("cluster"):
            raise PipelineError("No EKS cluster is named.", "Write its name as `cluster` under `options`.")
        return cls(
            how, options.get("kubeconfig"), options.get("context"), options.get("cluster", ""), options.get("region")
        )


class Connection:
    """A client of the cluster's API, made when it is first asked for."""

    def __init__(self, access: Access, clock: Clock) -> None:
        self.access = access
        self._clock = clock
        self._lock = threading.Lock()
        self._made: Any = None
        self._process = 0

    def client(self) -> Any:
        """The official client's `ApiClient`.

        Raises:
            ToolUnavailable: there is no way to the cluster, or none that we can find.
        """
        with self._lock:
            if self._made is None or self._process != os.getpid():
                self._made, self._process = _made(self.access, self._clock), os.getpid()
            return self._made

    def close(self) -> None:
        """Close the connections and forget the credentials; the next request begins anew."""
        with self._lock:
            if self._made is not None and self._process == os.getpid():
                self._made.rest_client.pool_manager.clear()
            self._made = None


def _made(access: Access, clock: Clock) -> Any:
    client: Any = import_module("kubernetes.client")
    config: Any = import_module("kubernetes.config")
    configuration: Any = client.Configuration()
    authority: str | None = None
    with without_telling(f"There is no way to the cluster by {access.how}"):
        match access.how:
            case "in-cluster":
                config.load_incluster_config(client_configuration=configuration)
            case "eks":
                authority = _configure_eks(configuration, access, clock)
            case _:
                folder = private_folder()
                config.kube_config.load_kube_config(
                    config_file=access.kubeconfig,
                    context=access.context,
                    client_configuration=configuration,
                    persist_config=False,
                    # The client writes the key of its certificate into a file.
                    temp_file_path=None if folder is None else str(folder),
                )
        configuration.retries = False
        made = client.ApiClient(configuration)
        read_certificates(made, authority)
    return made


def _configure_eks(configuration: Any, access: Access, clock: Clock) -> str:
    """Set address and token; returns the certificate of the cluster's authority."""
    described: dict[str, Any]
    with aws_errors():
        described = LazyClient("eks", access.region)().describe_cluster(name=access.cluster)["cluster"]
    configuration.host = described["endpoint"]
    region = access.region or cast(str, described["arn"]).split(":")[3]
    token = RenewedToken(lambda: eks_token(access.cluster, region), clock)

    def renewed(configuration: Any) -> None:
        configuration.api_key["BearerToken"] = f"Bearer {token()}"

    configuration.refresh_api_key_hook = renewed
    renewed(configuration)
    return base64.b64decode(described["certificateAuthority"]["data"]).decode("ascii")


class RenewedToken:
    """A token that is made anew before the old one ends."""

    def __init__(self, make: Callable[[], str], clock: Clock) -> None:
        self._make, self._clock = make, clock
        self._token, self._until = "", clock.now()
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            now = self._clock.now()
            if not self._token or now >= self._until:
                self._token, self._until = self._make(), now + timedelta(seconds=_TOKEN_SECONDS)
            return self._token


def eks_token(cluster: str, region: str) -> str:
    """A token for an EKS cluster: a signed request that asks AWS who we are, which EKS sends in our stead.

    Raises:
        ToolUnavailable: there are no credentials for AWS.
    """
    from boto3.session import Session
    from botocore.model import ServiceId
    from botocore.signers import RequestSigner

    with aws_errors():
        session: Any = Session(region_name=region)
        credentials = session.get_credentials()
        if credentials is None:
            raise ToolUnavailable(
                "AWS is not asked: there are no credentials.", "Give the pipeline a role or a profile."
            )
        signer: Any = RequestSigner(ServiceId("sts"), region, "sts", "v4", credentials, session.events)
        request = {
            "method": "GET",
            "url": f"https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": cluster},
            "context": {},
        }
        url = cast(
            str,
            signer.generate_presigned_url(
                request, region_name=region, expires_in=_SIGNATURE_SECONDS, operation_name=""
            ),
        )
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
