"""The controllers. Each is a function that looks at the world and does what is due now; `step` runs all of them until
nothing changes any more, so that a test that moves the clock by hand sees a settled cluster."""

from shopkart_pipeline_tests.fakes.kubernetes_server.controllers import (
    autoscaler,
    configuration,
    deployment,
    disruption,
    endpoints,
    garbage,
    gateway,
    job,
    kubelet,
    proxy,
    quota,
    replicaset,
    scheduler,
)
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

_CONTROLLERS = {
    "deployment": deployment.reconcile,
    "replicaset": replicaset.reconcile,
    "job": job.reconcile,
    "scheduler": scheduler.reconcile,
    "kubelet": kubelet.reconcile,
    "endpoints": endpoints.reconcile,
    "disruption": disruption.reconcile,
    "autoscaler": autoscaler.reconcile,
    "garbage": garbage.reconcile,
    "proxy": proxy.reconcile,
    "gateway": gateway.reconcile,
    "load balancer": gateway.reconcile_ingresses,
    "quota": quota.reconcile,
    "externalsecrets": configuration.reconcile,
}
_MOST_ROUNDS = 100


def step(world: KubernetesWorld) -> None:
    """Do everything that is due."""
    with world.lock:
        for _ in range(_MOST_ROUNDS):
            before = world.store.version
            for name, reconcile in _CONTROLLERS.items():
                if name not in world.stalled:
                    reconcile(world)
            if world.store.version == before:
                return
    raise AssertionError("the controllers never come to rest")
