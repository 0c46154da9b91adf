"""`shopkart signer`: sign what the pipeline states, in a process of its own; `rotate` makes a new key, and `keys`
prints which ones are trusted.

Who has it rotated is an operator, and in the ledger. Serving loads neither the platform nor the declaration: the
process that holds the key runs as little code as it can. With `--host` it listens in the network: such a signer keeps
nothing, so its key is given or somewhere else, and which keys are trusted is told to it as to everybody.
"""

import argparse
import logging
import sys
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.adapters._signer_socket import SignerPlaces
from shopkart_pipeline.adapters.dsse import key_id_of, public_pem_of, read_keys, write_keys
from shopkart_pipeline.adapters.signer_keys import (
    end_rotation,
    make_folder,
    open_key,
    refuse_unless_trusted,
    rotate_file_key,
    trust_first,
    trust_next,
)
from shopkart_pipeline.adapters.signer_listener import SignerListener
from shopkart_pipeline.adapters.signer_server import SignerServer
from shopkart_pipeline.adapters.signer_uri import FileKey, GivenKey, KeyAtUri
from shopkart_pipeline.adapters.statement_signer import StatementSigner, hide_memory
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.trusted_key import TrustedKey
from shopkart_pipeline.settings import Settings, from_environment, read_secret


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "act",
        nargs="?",
        choices=("serve", "rotate", "keys"),
        default="serve",
        help="`serve` signs until Ctrl-C (default); `rotate` trusts a new key from now on, and the old one until now; "
        "`keys` prints the trusted keys, with that of SHOPKART_SIGNER_URI or SHOPKART_SIGNER_KEY from now on",
    )
    words = "listen in the network at this address, for callers with SHOPKART_SIGNER_TOKEN (default: a socket)"
    parser.add_argument("--host", default="", help=words)
    words = "OpenSSH ed25519 private key of who has it rotated; machines set SHOPKART_TOKEN_FILE"
    parser.add_argument("--key", type=Path, metavar="FILE", help=words)


def run(options: argparse.Namespace) -> int:
    settings = from_environment()
    places = SignerPlaces(settings.signer_folder)
    match options.act:
        case "rotate":
            return _rotate(options, settings, places)
        case "keys":
            return _print_keys(settings)
        case _:
            return _listen(settings, options.host) if options.host else _serve(settings, places)


def _serve(settings: Settings, places: SignerPlaces) -> int:
    _begin()
    clock, keys_file, key = SystemClock(), settings.trusted_keys, _key_elsewhere(settings)
    make_folder(places)
    if key is None:
        end_rotation(places, keys_file, clock.now())
        trust_first(keys_file, open_key(places).public_key(), clock.now())
    else:
        trust_first(keys_file, key.public, clock.now())
    signer = StatementSigner(keys_file, key or FileKey(places), clock.now)
    server = SignerServer(places, signer.answer)
    server.open()
    try:
        server.serve()
    except KeyboardInterrupt:
        return 0
    finally:
        server.close()
    return 0


def _listen(settings: Settings, host: str) -> int:
    _begin()
    clock, keys_file = SystemClock(), settings.trusted_keys
    key = _needed(settings)
    refuse_unless_trusted(keys_file, key.public, clock.now())
    listener = SignerListener(StatementSigner(keys_file, key, clock.now).answer, settings.signer.tokens)
    listener.open(host, settings.signer_port)
    try:
        listener.serve()
    except KeyboardInterrupt:
        return 0
    finally:
        listener.close()
    return 0


def _begin() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    hide_memory()


def _key_elsewhere(settings: Settings) -> KeyAtUri | GivenKey | None:
    """The key that is not in the signer's folder."""
    given = settings.signer
    if given.uri:
        return KeyAtUri(given.uri, given.public_key_file)
    if given.key is None:
        return None
    return GivenKey(read_secret(given.key, lines=True))


def _needed(settings: Settings) -> KeyAtUri | GivenKey:
    key = _key_elsewhere(settings)
    if key is None:
        raise PipelineError(
            "A signer in the network keeps no key of its own.", "Set SHOPKART_SIGNER_URI or SHOPKART_SIGNER_KEY."
        )
    return key


def _print_keys(settings: Settings) -> int:
    file, key = settings.trusted_keys, _key_elsewhere(settings)
    keys = list(read_keys(file.read_bytes(), str(file)).keys) if file.exists() else []
    if key is not None and key_id_of(key.public) not in {each.key_id for each in keys}:
        keys.append(TrustedKey(key_id_of(key.public), public_pem_of(key.public), SystemClock().now()))
    if not keys:
        raise PipelineError(f"No key is trusted: {file} is not there.", "Name a key by SHOPKART_SIGNER_URI, say.")
    sys.stdout.write(write_keys(keys).decode())
    return 0


def _rotate(options: argparse.Namespace, settings: Settings, places: SignerPlaces) -> int:
    # Not above: all of the pipeline comes with it.
    from shopkart_pipeline.cli.arguments import open_platform, who_asks
    from shopkart_pipeline.domain.roles import Verb

    who_asks(open_platform(), options, Verb.ROTATE_KEY)
    now, keys_file, key = SystemClock().now(), settings.trusted_keys, _key_elsewhere(settings)
    if key is not None:
        added = trust_next(keys_file, key.public, now, instead_of=None)
        last = "give the last one a `valid_until` once nothing signs with it any more"
    else:
        added = rotate_file_key(places, keys_file, now)
        last = "the last one stays trusted for what it signed"
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"Key {added.key_id} signs from {now.isoformat()} on; {last}.", markup=False)
    console.print(f"Give {keys_file} to whoever verifies elsewhere.", markup=False)
    return 0
