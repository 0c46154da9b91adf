"""Addresses without encryption: only on this machine, because whoever sits between could answer in the server's place,
and read the credentials.
"""

import ipaddress
from urllib.parse import urlsplit

from shopkart_pipeline.spec.faults import Faults, KeyPath


def check_encrypted(path: KeyPath, address: str | None, what: str, faults: Faults) -> None:
    """A fault for an address that is neither encrypted nor on this machine; `what` is there, such as "a registry"."""
    if address is not None and address.startswith("http:") and not _is_loopback(urlsplit(address).hostname or ""):
        message = f"without encryption {what} may only be on this machine (127.0.0.1); write https://"
        faults.add_meaning(path, message)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
