"""The cluster port's contract on a real cluster, in one namespace for both environments."""

import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from shopkart_pipeline_tests.cluster.beds import OURS, RealBed
from shopkart_pipeline_tests.contract.cluster_worlds import World
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour

_SERVICE = re.compile(r"shop-[0-9a-f]{8}")


class RealWorld(World):
    """A real cluster with images that it can get."""

    patience_seconds = 180.0

    def __init__(self, bed: RealBed) -> None:
        self.bed = bed
        self.cluster = bed.worker()

    def publish(self, service: str, version: str, behaviour: Behaviour = Behaviour.GETS_READY) -> str:
        told: dict[str, Any] = {}
        if behaviour is Behaviour.CRASHES:
            told["exit_code"] = 7
        elif behaviour in (Behaviour.STALLS, Behaviour.FAILS_TO_START):
            told["ready"] = False
        return self.bed.publish(f"{service} {version}", **told)

    def near(self, weight_percent: int) -> int:
        return 50 if weight_percent else 0

    def pause(self) -> None:
        time.sleep(0.2)

    def send(self, environment: str, service: str, requests: int) -> None:
        raise NotImplementedError

    def log_error(self, environment: str, service: str, message: str, signature: str) -> None:
        raise NotImplementedError

    def clean_up(self) -> None:
        """Remove what the suite's services left: their names have a form of their own."""
        chosen = "app.kubernetes.io/managed-by=shopkart,app.kubernetes.io/instance in (production,staging)"
        for kind in OURS:
            for each in self.bed.api.list(kind, self.bed.namespace, chosen):
                if _SERVICE.fullmatch(each["metadata"]["labels"]["app.kubernetes.io/name"]):
                    self.bed.api.delete(kind, self.bed.namespace, each["metadata"]["name"])


@contextmanager
def a_real_world(bed: RealBed) -> Generator[RealWorld]:
    """The suite's view of a real cluster; nothing of it is left behind."""
    world = RealWorld(bed)
    try:
        yield world
    finally:
        world.clean_up()
