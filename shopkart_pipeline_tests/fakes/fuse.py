"""A process that dies at its n-th call of anything outside (before the call, or after its effect), or at a moment."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

from shopkart_pipeline.services.platform import Platform, Site


class Killed(BaseException):
    """Nothing of a killed process runs any further, so nothing may catch this."""


class Fuse:
    """Counts calls and kills.

    Args:
        call: which call kills, from 1; 0 never does.
        after: whether that call still has its effect.
        when: kills after the first call after which this holds.
    """

    def __init__(self, call: int = 0, *, after: bool = False, when: Callable[[], bool] = lambda: False) -> None:
        self.calls = 0
        self._call, self._after, self._when = call, after, when
        self._dead = False

    def fused(self, platform: Platform) -> Platform:
        """The platform as the process sees it."""
        sites = {
            name: Site(
                self._port(site.cluster), self._port(site.metrics), self._port(site.logs), self._port(site.vitals)
            )
            for name, site in platform.sites.items()
        }
        return replace(
            platform,
            sites=sites,
            evidence=self._port(platform.evidence),
            ledger=self._port(platform.ledger),
            incidents=self._port(platform.incidents),
            inbox=self._port(platform.inbox),
        )

    def _port(self, port: object) -> Any:
        return _Port(port, self)

    def through(self, call: Callable[[], object]) -> object:
        self.calls += 1
        last = self.calls == self._call
        if self._dead or (last and not self._after):
            self._die()
        result = call()
        if last or self._when():
            self._die()
        return result

    def _die(self) -> NoReturn:
        self._dead = True
        raise Killed


class _Port:
    def __init__(self, port: object, fuse: Fuse) -> None:
        self._port, self._fuse = port, fuse

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        if not callable(attribute):
            return attribute

        def call(*args: Any, **kwargs: Any) -> object:
            return self._fuse.through(lambda: attribute(*args, **kwargs))

        return call
