"""What the backend is told through its environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from servicekit.settings import ServiceSettings, Variables, read_service

DEFAULT_PORT = 8080


@dataclass(frozen=True)
class BackendSettings:
    """Everything that one backend process needs to know."""

    service: ServiceSettings
    redis_url: str = field(repr=False)
    """`redis://`, `rediss://` or `unix://`; may hold a password, so it is never shown."""
    database_url: str = field(repr=False)
    """`postgresql://`, with `?host=/directory` for a unix socket; may hold a password as well."""


def read_settings(environment: Mapping[str, str]) -> BackendSettings:
    """Reads the environment.

    Raises:
        SettingsFault: naming every variable that is missing or malformed.
    """
    variables = Variables(environment)
    settings = BackendSettings(
        service=read_service(variables, "backend", default_port=DEFAULT_PORT),
        redis_url=variables.url("REDIS_URL", ("redis", "rediss", "unix")),
        database_url=variables.url("DATABASE_URL", ("postgresql", "postgres")),
    )
    variables.finish()
    return settings
