"""`shopkart signer`: sign what the pipeline states, in a process of its own; `rotate` makes a new key.

Who has it rotated is an operator, and in the ledger. Serving loads neither the platform nor the declaration: the
process that holds the key runs as little code as it can.
"""

import argparse
import logging
import sys
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.adapters._signer_socket import SignerPlaces
from shopkart_pipeline.adapters.dsse import KEYS_FILE
from shopkart_pipeline.adapters.signer_keys import (
    end_rotation,
    make_folder,
    open_key,
    rotate_file_key,
    trust_first,
    trust_next,
)
from shopkart_pipeline.adapters.signer_server import SignerServer, hide_memory
from shopkart_pipeline.adapters.signer_uri import FileKey, KeyAtUri, SigningKey
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.settings import Settings, from_environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "act",
        nargs="?",
        choices=("serve", "rotate"),
        default="serve",
        help="`serve` signs until Ctrl-C (default); `rotate` trusts a new key from now on, and the old one until now",
    )
    words = "OpenSSH ed25519 private key of who has it rotated; machines set SHOPKART_TOKEN_FILE"
    parser.add_argument("--key", type=Path, metavar="FILE", help=words)


def run(options: argparse.Namespace) -> int:
    settings = from_environment()
    places, keys_file = SignerPlaces(settings.signer_folder), settings.home / KEYS_FILE
    return (
        _rotate(options, settings, places, keys_file)
        if options.act == "rotate"
        else _serve(settings, places, keys_file)
    )


def _serve(settings: Settings, places: SignerPlaces, keys_file: Path) -> int:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    hide_memory()
    clock = SystemClock()
    key: SigningKey
    if settings.signer_uri:
        make_folder(places)
        there = KeyAtUri(settings.signer_uri, settings.signer_public_key_file)
        trust_first(keys_file, there.public, clock.now())
        key = there
    else:
        make_folder(places)
        end_rotation(places, keys_file, clock.now())
        trust_first(keys_file, open_key(places).public_key(), clock.now())
        key = FileKey(places)
    server = SignerServer(places, keys_file, key, clock.now)
    server.open()
    try:
        server.serve()
    except KeyboardInterrupt:
        return 0
    finally:
        server.close()
    return 0


def _rotate(options: argparse.Namespace, settings: Settings, places: SignerPlaces, keys_file: Path) -> int:
    # Not above: all of the pipeline comes with it.
    from shopkart_pipeline.cli.arguments import open_platform, who_asks
    from shopkart_pipeline.domain.roles import Verb

    who_asks(open_platform(), options, Verb.ROTATE_KEY)
    now = SystemClock().now()
    if settings.signer_uri:
        public = KeyAtUri(settings.signer_uri, settings.signer_public_key_file).public
        added = trust_next(keys_file, public, now, instead_of=None)
        last = "give the last one a `valid_until` once nothing signs with it any more"
    else:
        added = rotate_file_key(places, keys_file, now)
        last = "the last one stays trusted for what it signed"
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"Key {added.key_id} signs from {now.isoformat()} on; {last}.", markup=False)
    console.print(f"Give {keys_file} to whoever verifies elsewhere.", markup=False)
    return 0
