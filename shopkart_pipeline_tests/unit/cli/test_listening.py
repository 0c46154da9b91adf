"""Who is warned that others reach a server of ours."""

import pytest

from shopkart_pipeline.cli.listening import is_loopback, warn_where_open


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_alone_needs_no_warning(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    warn_where_open("The web interface", host, proxy="")

    assert is_loopback(host)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "localhost.evil.example", "pipeline", ""])
def test_a_server_that_others_reach_without_a_login_is_warned_of(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    warn_where_open("The web interface", host, proxy="")

    told = capsys.readouterr().err
    assert f"WARNING: The web interface listens on {host}, where others reach it, and asks nobody who they are." in told
    assert "SHOPKART_PROXY=oauth2-proxy" in told


def test_a_proxy_that_is_known_to_ask_ends_the_warning(capsys: pytest.CaptureFixture[str]) -> None:
    warn_where_open("The web interface", "0.0.0.0", proxy="oauth2-proxy")

    assert capsys.readouterr().err == ""


def test_the_receiver_is_told_apart_as_it_takes_only_what_is_signed(capsys: pytest.CaptureFixture[str]) -> None:
    warn_where_open("The receiver", "0.0.0.0", proxy="", asks=True)

    assert "takes only what is signed, but without encryption" in capsys.readouterr().err
