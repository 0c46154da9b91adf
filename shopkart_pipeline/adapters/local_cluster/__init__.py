"""The embedded default platform: cluster, metrics and logs on one machine, without containers or Kubernetes.

It exists so that the product can be tried and tested anywhere; production is Kubernetes. A controller process
(`serve`) brings about what clients (`LocalCluster`) want, by way of documents on disk. Traefik balances, Redis and
PostgreSQL store, replicas are processes unpacked from images by digest. Everything outlives the controller, and the
controller's successor takes it over.
"""

from pathlib import Path

from shopkart_pipeline.adapters.local_cluster.addresses import environment_urls
from shopkart_pipeline.adapters.local_cluster.cluster import LocalCluster
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.images import application_of
from shopkart_pipeline.adapters.local_cluster.logs import LocalLogs
from shopkart_pipeline.adapters.local_cluster.metrics import LocalMetrics
from shopkart_pipeline.adapters.local_cluster.service import serve, shutdown, wait_ready
from shopkart_pipeline.adapters.local_cluster.state import DESIRED
from shopkart_pipeline.adapters.local_cluster.vitals import LocalVitals
from shopkart_pipeline.domain.workload import Track

__all__ = [
    "LocalCluster",
    "LocalLogs",
    "LocalMetrics",
    "LocalVitals",
    "environment_urls",
    "running_application",
    "serve",
    "shutdown",
    "wait_ready",
]


def running_application(home: Path, environment: str, service: str) -> Path | None:
    """The `/app` folder of the image that a service's stable replicas shall run; None where there is none yet."""
    folders = Folders(home)
    desired = DESIRED.read(folders.desired_of(environment, service))
    stable = None if desired is None else desired.tracks.get(Track.STABLE)
    return None if stable is None else application_of(folders, stable.digest)
