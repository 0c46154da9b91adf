"""The cluster port's contract on a real cluster, in one namespace for both environments."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from shopkart_pipeline_tests.cluster.leftovers import is_of_contract, remove
from shopkart_pipeline_tests.cluster.real_bed import RealBed
from shopkart_pipeline_tests.contract.cluster_worlds import OF_THIS_RUN, World
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour


class RealWorld(World):
    """A real cluster with images that it can get."""

    patience_seconds = 300.0
    soon_seconds = 15.0

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
        time.sleep(0.5)

    def send(self, environment: str, service: str, requests: int) -> None:
        raise NotImplementedError

    def log_error(self, environment: str, service: str, message: str, signature: str) -> None:
        raise NotImplementedError

    def clean_up(self) -> None:
        """Remove what this run's services left: their names have a form of their own."""
        remove(
            self.bed.api,
            self.bed.namespace,
            lambda environment, service: is_of_contract(environment, service) and service.startswith(OF_THIS_RUN),
        )


@contextmanager
def a_real_world(bed: RealBed) -> Generator[RealWorld]:
    """The suite's view of a real cluster; nothing of it is left behind."""
    world = RealWorld(bed)
    try:
        yield world
    finally:
        world.clean_up()
