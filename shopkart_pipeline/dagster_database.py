"""Where Dagster keeps its runs and events, if that is PostgreSQL: read from the `dagster.yaml` that Dagster reads.

Values may be written there or named as variables (`{env: NAME}`). Source: Dagster, "dagster.yaml reference" (1.13).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

import yaml

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.known_secrets import know, passwords_of

_PORT = 5432


def dagster_address(configuration: Path, variable: Callable[[str], str]) -> str:
    """The database's address, with its password; empty where Dagster keeps everything in files.

    Args:
        configuration: `dagster.yaml`; one that is not there says nothing.
        variable: the value of a variable; empty for one that is not set.

    Raises:
        PipelineError: the file can't be read, or does not say all that it should.
    """
    if not configuration.exists():
        return ""
    try:
        storage = _part(_part(yaml.safe_load(configuration.read_text())).get("storage"))
    except (OSError, yaml.YAMLError) as error:
        raise PipelineError(f"{configuration} can't be read: {type(error).__name__}.", "Mend it.") from None
    said = _part(storage.get("postgres")) or _part(_part(storage.get("custom")).get("config"))
    if not {"postgres_db", "postgres_url"} & said.keys():
        return ""

    def value(given: Any) -> str:
        if not isinstance(given, dict):
            return str(given)
        name = str(_part(given).get("env"))
        if not (found := variable(name)):
            raise PipelineError(f"{configuration} names {name}, which is not set.", "Set it, as for Dagster itself.")
        return found

    if "postgres_url" in said:
        address = value(said["postgres_url"]).replace("postgresql+psycopg2:", "postgresql:", 1)
    else:
        address = _composed(_part(said["postgres_db"]), value)
    know(*passwords_of(address))
    return address


def _composed(parts: Mapping[str, Any], value: Callable[[Any], str]) -> str:
    user, password, host, name = (value(parts.get(key, "")) for key in ("username", "password", "hostname", "db_name"))
    login = f"{quote(user, safe='')}:{quote(password, safe='')}" if password else quote(user, safe="")
    more = {key: value(each) for key, each in _part(parts.get("params")).items()}
    query = f"?{urlencode(more, quote_via=quote)}" if more else ""
    return f"postgresql://{login}@{host}:{value(parts.get('port', _PORT))}/{quote(name, safe='')}{query}"


def _part(said: Any) -> dict[str, Any]:
    """A part of the file; empty where it says none."""
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}
