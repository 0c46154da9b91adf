"""Where servers of ours listen: on this machine alone, unless somebody says otherwise.

Neither Dagster's web interface nor the exporter asks people who they are. The receiver takes only what is signed, but
its connections are not encrypted. A proxy before them does both; `SHOPKART_PROXY` says that there is one.
"""

import argparse
import ipaddress

from rich.console import Console

LOOPBACK = "127.0.0.1"


def add_host(parser: argparse.ArgumentParser, what: str) -> None:
    """`--host`, for a server of ours."""
    parser.add_argument("--host", default=LOOPBACK, help=f"address where {what} listens (default {LOOPBACK})")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address. A name that is not `localhost` may be anything."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(host: str, proxy: str) -> tuple[str, ...]:
    """The names by which a server of ours is known; none where it answers to all: a proxy passes on the name that
    people use, and what it lets through is its business."""
    return () if proxy or not is_loopback(host) else tuple(dict.fromkeys((host, "localhost", "127.0.0.1", "::1")))


def warn_where_open(what: str, host: str, proxy: str, asks: bool = False) -> None:
    """Say on standard error that others reach a server, unless a proxy is known to stand before it.

    Args:
        what: the server, as a sentence begins with it.
        host: where it listens.
        proxy: what asks people who they are; empty: nothing.
        asks: whether the server itself takes nothing that isn't signed.
    """
    if proxy or is_loopback(host):
        return
    login = "takes only what is signed, but without encryption" if asks else "asks nobody who they are"
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(f"WARNING: {what} listens on {host}, where others reach it, and {login}.", style="bold red")
    console.print(
        "  Put a proxy with a login before it (deploy/proxy), let it listen on 127.0.0.1, or say by"
        " SHOPKART_PROXY=oauth2-proxy that this is done. See docs/security.md."
    )
