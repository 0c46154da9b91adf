"""What the frontend is told through its environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from servicekit.settings import ServiceSettings, Variables, read_service

DEFAULT_PORT = 8081


@dataclass(frozen=True)
class FrontendSettings:
    """Everything that one frontend process needs to know."""

    service: ServiceSettings
    backend_url: str = field(repr=False)
    """`http://` or `https://`; may hold a password, so it is never shown."""


def read_settings(environment: Mapping[str, str]) -> FrontendSettings:
    """Reads the environment.

    Raises:
        SettingsFault: naming every variable that is missing or malformed.
    """
    variables = Variables(environment)
    settings = FrontendSettings(
        service=read_service(variables, "frontend", default_port=DEFAULT_PORT),
        backend_url=variables.url("BACKEND_URL", ("http", "https")),
    )
    variables.finish()
    return settings
