"""A Kubernetes 1.36 that speaks HTTP: the part of its API that the pipeline uses, with the controllers behind it.

`running_kubernetes()` serves a `KubernetesWorld`; `step` moves its controllers by hand. In `network` pods really listen
and requests can be counted; a world on a `FastClock` does in a second what takes a cluster twenty. True to
recordings of a real 1.36 in what requests are answered with and in what a watch shows: see
`test_kubernetes_server_recordings`.

Not emulated: StatefulSets, DaemonSets and volumes, of Jobs all but the plainest (see `controllers.job`); the CEL of
admission policies (tests give a function instead); `Recreate`; init containers, liveness and startup probes;
preemption, taints, affinity and topology spread; network policies (they are stored); RBAC objects (users have a
function); conversion between versions, CBOR, protobuf and tables; websockets (exec, attach, port-forward); pages of a
list as of one version. What controllers write appears in `managedFields` only where they use the `scale` subresource.
Client certificates are not known.
"""

from shopkart_pipeline_tests.fakes.github_server.trouble import Drop, Trouble
from shopkart_pipeline_tests.fakes.kubernetes_server.behaviour import Behaviour
from shopkart_pipeline_tests.fakes.kubernetes_server.controllers import step
from shopkart_pipeline_tests.fakes.kubernetes_server.server import running_kubernetes, write_kubeconfig
from shopkart_pipeline_tests.fakes.kubernetes_server.tls import make_certificate
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld, Pace, User

__all__ = [
    "Behaviour",
    "Drop",
    "KubernetesWorld",
    "Pace",
    "Trouble",
    "User",
    "make_certificate",
    "running_kubernetes",
    "step",
    "write_kubeconfig",
]
