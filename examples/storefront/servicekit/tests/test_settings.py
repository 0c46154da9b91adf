"""Reading the environment."""

import pytest

from servicekit.settings import SettingsFault, Variables, read_service


def test_a_bare_environment_gives_a_service_on_the_loopback_interface():
    variables = Variables({})

    settings = read_service(variables, "sample", default_port=8080)

    variables.finish()
    assert (settings.host, settings.port, settings.drain_seconds) == ("127.0.0.1", 8080, 20)
    assert (settings.identity.version, settings.identity.track) == ("development", "stable")


def test_every_fault_is_reported_at_once_and_no_value_is_repeated():
    variables = Variables(
        {"PORT": "s3cret", "SHOPKART_TRACK": "s3cret", "URL": "s3cret", "DRAIN_SECONDS": "nan"}
    )

    read_service(variables, "sample", default_port=8080)
    variables.url("URL", ("redis", "unix"))
    variables.text("NAME")

    with pytest.raises(SettingsFault) as caught:
        variables.finish()
    assert caught.value.faults == (
        "SHOPKART_TRACK must be one of stable, canary",
        "PORT must be a number from 0 to 65535",
        "DRAIN_SECONDS must be a number from 1 to 3600",
        "URL must start with one of redis://, unix://",
        "NAME must be set",
    )
    assert "s3cret" not in str(caught.value)
