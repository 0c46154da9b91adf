"""The cluster in memory, to which something happens in the middle of a rollout."""

from collections.abc import Callable

from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.domain.workload import ServiceStatus
from shopkart_pipeline_tests.fakes.fake_cluster import FakeCluster


class EventfulCluster(FakeCluster):
    """A cluster in which something happens at a moment, which is silent now and then, or refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.moment: tuple[str, Callable[[], object]] | None = None
        self.silent_every = 0
        self.refusals = 0
        self._calls = 0

    def once(self, moment: str, do: Callable[[], object]) -> None:
        """Something happens once an effect was asked for whose words hold `moment`."""
        self.moment = moment, do

    def observe(self, environment: str, service: str) -> ServiceStatus:
        if self.moment is not None and any(self.moment[0] in effect for effect in self.effects):
            (_, do), self.moment = self.moment, None
            do()
        return super().observe(environment, service)

    def set_weight(self, environment: str, service: str, canary_percent: int) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Refused("The canary has no ready replica.", "Wait.")
        super().set_weight(environment, service, canary_percent)

    def _reach(self) -> None:
        self._calls += 1
        if self.silent_every and self._calls % self.silent_every == 0:
            raise ToolUnavailable("The cluster does not answer.", "Start it.")
        super()._reach()
