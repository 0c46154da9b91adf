"""Fills in what an environment gives: addresses of its datastores and of its services."""

import re
from collections.abc import Callable, Mapping

_PLACE = re.compile(r"\{(redis_url|database_url|url:(?P<service>[a-z0-9-]+))\}")


def filled_in(
    variables: Mapping[str, str], datastores: Mapping[str, str], url_of: Callable[[str], str]
) -> Mapping[str, str]:
    """The variables with `{redis_url}`, `{database_url}` and `{url:SERVICE}` replaced; other braces stay.

    Args:
        variables: as declared.
        datastores: `redis_url` and `database_url`.
        url_of: the address of a service of the same environment, even of one that is not there yet.
    """

    def value(place: re.Match[str]) -> str:
        service = place["service"]
        return datastores[place[1]] if service is None else url_of(service)

    return {name: _PLACE.sub(value, text) for name, text in variables.items()}


def redacted(text: str, secrets: tuple[str, ...]) -> str:
    """The text without these secrets."""
    for secret in secrets:
        text = text.replace(secret, "[redacted]")
    return text
