"""`shopkart ledger show|verify|sign`: who did what to what may run, whether the record was touched, and its signature.

`verify` exits with 1 on the first entry or head that is not as it was, and where what should be signed or anchored is
not. Without keys it can look at the chain alone, and says so.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from shopkart_pipeline.adapters.dsse import KeyFileVerifier
from shopkart_pipeline.cli.arguments import add_key, open_platform, who_asks
from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.ledger_settings import read_anchor
from shopkart_pipeline.ledger_wiring import build_anchor
from shopkart_pipeline.ports.ledger import AT_ONCE, Act, Entry, Ledger
from shopkart_pipeline.services.ledger_claims import ledger_claims
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.record_policy import CHANGE_KEYS
from shopkart_pipeline.services.sign_ledger import anchor_head, signed_head
from shopkart_pipeline.services.verify_ledger import verify_ledger
from shopkart_pipeline.services.verify_proofs import verify_proofs
from shopkart_pipeline.settings import from_environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["show", "verify", "sign"])
    parser.add_argument("--service", help="show: entries of this service alone")
    parser.add_argument("--release", metavar="KEY", help="show: of releases whose key has this in it")
    parser.add_argument("--verb", action="append", default=[], help="show: of this verb; may be given again")
    words = (
        "begin with this entry or, for `show`, this moment (ISO 8601); `verify` takes what is before it as it stands"
    )
    parser.add_argument("--since", metavar="N|DATE", type=_since, default=1, help=words)
    parser.add_argument("--json", action="store_true", help="show: one JSON object in a line for each entry")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="verify: the trusted keys, instead of this home's")
    add_key(parser)
    parser.add_argument("--anchor", metavar="PLACE", help="verify: where heads are kept, too, instead of as configured")


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    match options.what:
        case "verify":
            return _verify(platform, options, console)
        case "sign":
            who_asks(platform, options, Verb.SIGN_LEDGER)
            return _sign(platform, console)
        case _:
            return _show(platform.ledger, options, console)


def _verify(platform: Platform, options: argparse.Namespace, console: Console) -> int:
    keys: Path = options.keys or from_environment().trusted_keys
    anchor = build_anchor(read_anchor(options.anchor)) if options.anchor else platform.anchor
    is_signed = options.keys is not None or keys.exists() or anchor is not None or _was_signed(platform.ledger)
    if not isinstance(options.since, int):
        raise PipelineError("`verify` begins with an entry, not with a moment.", "Give the entry's number.")
    envelopes = KeyFileVerifier(keys) if is_signed else None
    proof = verify_ledger(platform.ledger, envelopes, anchor, first=max(options.since, 1))
    claims = ledger_claims(platform.ledger, proof, anchor, platform.clock.now(), is_signed=is_signed)
    for line in claims.lines:
        console.print(line, markup=False)
    if proof.fault is not None:
        return 1
    proofs = verify_proofs(platform, max(options.since, 1))
    console.print(f"{proofs.proved} entries carry the signature of the person whom they name.")
    for line in proofs.wrong:
        console.print(f"Not proved: {line}", markup=False)
    return 0 if claims.holds and not proofs.wrong else 1


def _was_signed(ledger: Ledger) -> bool:
    """Whether the ledger itself tells of signatures: whoever takes the keys away must not be let off with the chain."""
    return ledger.newest_head() is not None or bool(ledger.entries("", "", (CHANGE_KEYS,)))


def _sign(platform: Platform, console: Console) -> int:
    head = signed_head(platform)
    if head is None:
        console.print("There is no entry, or nobody signs here: nothing is signed.")
        return 1
    console.print(f"Entry {head.sequence} is signed, and with it every entry before: {head.entry_hash}")
    if anchor_head(platform) is not None and platform.anchor is not None:
        console.print(f"The head is kept in {platform.anchor.place}, too.", markup=False)
    return 0


def _show(ledger: Ledger, options: argparse.Namespace, console: Console) -> int:
    table = Table("#", "at (UTC)", "who", "did", "where", "release", box=None, padding=(0, 1, 0, 0))
    for entry in _entries(ledger, options):
        act = entry.act
        if options.json:
            print(canonical_json(entry).decode())
            continue
        who, where = act.actor.partition("@")[0], act.body.get("environment", "")
        at, release = f"{act.at.astimezone(UTC):%m-%d %H:%M:%S}", f"{act.service}@{act.release_key[-12:]}"
        table.add_row(str(entry.sequence), at, who, act.verb, where, release if act.service else "")
        if table.row_count == AT_ONCE:
            console.print(table)
            table = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    if table.row_count or not options.json:
        console.print(table)
    return 0


def _entries(ledger: Ledger, options: argparse.Namespace) -> Iterator[Entry]:
    """The entries that are asked for, read in pages."""
    since: int | datetime = options.since
    after = since - 1 if isinstance(since, int) else 0
    while page := ledger.after(after, AT_ONCE):
        yield from (entry for entry in page if _is_asked_for(entry.act, options, since))
        after = page[-1].sequence


def _is_asked_for(act: Act, options: argparse.Namespace, since: int | datetime) -> bool:
    return (
        options.service in (None, act.service)
        and (options.release or "") in act.release_key
        and (not options.verb or act.verb in options.verb)
        and (isinstance(since, int) or act.at >= since)
    )


def _since(said: str) -> int | datetime:
    if said.isascii() and said.isdecimal():
        return int(said)
    moment = datetime.fromisoformat(said)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
