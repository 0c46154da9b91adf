"""Certificates and tokens in the hands of the official client, and what may be told where they fail.

Certificates are read once, with the connection: the client keeps those of a kubeconfig in files that it reads for every
connection and removes when a process ends, a forked one too. Where TLS fails the connection is made anew (see `api`),
so certificates that were replaced are read again.

What a broken kubeconfig, or a program that it names, raises may quote it, so only the kind of the fault is told. A
program for credentials that fails is only logged by the client, with all that it said, which then goes on as nobody:
here it is a fault like any other.

Source: the official client's `kube_config` and `rest`, 36.0.
"""

import logging
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from urllib3.util.ssl_ import create_urllib3_context

from shopkart_pipeline.domain.errors import ToolUnavailable

_TELLABLE = re.compile(
    r"exec: (?:process returned -?\d+|malformed request|malformed response|failed to decode process output)"
    r"|Invalid kube-config(?: file)?(?:\. No configuration found|\. Expected key \S+)?"
    r"|Service host/port is not set|Service token file does not exist|Service certification file does not exist"
    r"|File does not exist"
)
"""As far as this what the client says may be told."""
_FAULTS = (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError)
"""What a broken kubeconfig raises, beside the client's own exception."""


@contextmanager
def without_telling(what: str) -> Generator[None]:
    """Turn whatever goes wrong with credentials into an error, or keep it out of the log.

    Args:
        what: the sentence that the error begins with.

    Raises:
        ToolUnavailable: something went wrong.
    """
    config: Any = import_module("kubernetes.config")
    with _not_logged() as said:
        try:
            yield
        except (config.ConfigException, *_FAULTS) as error:
            raise _unavailable(what, str(error), type(error).__name__) from None
    if said:
        raise _unavailable(what, said[0], "the program that makes them gave none")


def authorise(client: Any, headers: dict[str, str]) -> None:
    """Put our credentials, made anew where they are about to end, into a request's headers.

    Raises:
        ToolUnavailable: there are none to be had.
    """
    with without_telling("The credentials for the cluster could not be renewed"):
        client.update_params_for_auth(headers, [], ["BearerToken"])


def read_certificates(client: Any, authority: str | None) -> None:
    """Put certificates into the memory of a client's connections, instead of the files that it would read again.

    Args:
        client: the official client.
        authority: the certificate of the cluster's authority where it is in no file.
    """
    options: dict[str, Any] = client.rest_client.pool_manager.connection_pool_kw
    context = create_urllib3_context(cert_reqs=options.get("cert_reqs"))
    file = options.pop("ca_certs", None)
    if file or authority:
        context.load_verify_locations(cafile=file, cadata=authority)
    else:
        context.load_default_certs()
    certificate, key = options.pop("cert_file", None), options.pop("key_file", None)
    if certificate:
        context.load_cert_chain(certificate, key)
    options["ssl_context"] = context


@contextmanager
def _not_logged() -> Generator[list[str]]:
    """What the client says into the log in this thread, instead of there."""
    said, thread = list[str](), threading.get_ident()

    def is_for_the_log(record: logging.LogRecord) -> bool:
        if record.thread != thread or Path(record.pathname).name != "kube_config.py":
            return True
        said.append(record.getMessage())
        return False

    root = logging.getLogger()
    root.addFilter(is_for_the_log)
    try:
        yield said
    finally:
        root.removeFilter(is_for_the_log)


def _unavailable(what: str, words: str, otherwise: str) -> ToolUnavailable:
    known = _TELLABLE.match(words)
    return ToolUnavailable(f"{what}: {known[0] if known else otherwise}.", "Check `options` of the environment.")
