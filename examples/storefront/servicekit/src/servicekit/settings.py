"""What a service is told through its environment, read once at start.

Every fault is reported at once, by variable name. Values are never repeated in a fault: they may hold
credentials.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

TRACKS = ("stable", "canary")


class SettingsFault(Exception):
    """The environment does not describe a service that could run; `faults` names every reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True)
class Identity:
    """Who answers: shown in every answer, every log line and the build information metric."""

    service: str
    version: str
    track: str
    environment: str


@dataclass(frozen=True)
class ServiceSettings:
    """What every service needs to listen and to leave."""

    identity: Identity
    host: str
    port: int
    """0 lets the system choose; the port in use is in the first log line."""
    drain_seconds: float
    """The longest time between SIGTERM and the end of the process."""


class Variables:
    """Reads variables and gathers faults, so that one start shows all of them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._faults: list[str] = []

    def text(self, name: str, default: str | None = None) -> str:
        """The variable's text; a fault where it is missing or blank and has no default."""
        value = self._environment.get(name, "").strip()
        if value:
            return value
        if default is None:
            self._faults.append(f"{name} must be set")
            return ""
        return default

    def url(self, name: str, schemes: tuple[str, ...], default: str | None = None) -> str:
        """The variable as an address with one of `schemes`."""
        value = self.text(name, default)
        if value and value.partition("://")[0] not in schemes:
            self._faults.append(
                f"{name} must start with one of " + ", ".join(f"{scheme}://" for scheme in schemes)
            )
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """The variable as one of `allowed`."""
        value = self.text(name, default)
        if value not in allowed:
            self._faults.append(f"{name} must be one of {', '.join(allowed)}")
        return value

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """The variable as a finite number from `least` to `most`, both included."""
        try:
            value = float(self.text(name, str(default)))
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            self._faults.append(f"{name} must be a number from {least:g} to {most:g}")
            return default
        return value

    def finish(self) -> None:
        """Ends the reading.

        Raises:
            SettingsFault: where any variable was at fault.
        """
        if self._faults:
            raise SettingsFault(self._faults)


def read_service(variables: Variables, service: str, *, default_port: int) -> ServiceSettings:
    """Reads what every service has in common; faults stay with `variables` until `finish`."""
    identity = Identity(
        service=service,
        version=variables.text("SHOPKART_VERSION", "development"),
        track=variables.choice("SHOPKART_TRACK", TRACKS, "stable"),
        environment=variables.text("SHOPKART_ENVIRONMENT", "development"),
    )
    return ServiceSettings(
        identity=identity,
        host=variables.text("HOST", "127.0.0.1"),
        port=int(variables.number("PORT", default_port, least=0, most=65535)),
        drain_seconds=variables.number("DRAIN_SECONDS", 20, least=1, most=3600),
    )
