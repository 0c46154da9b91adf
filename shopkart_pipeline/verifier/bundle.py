"""What a bundle holds, read step by step, each step a claim.

The order matters: first every byte of the container has to be the one byte that it can be, then every file has to be
what the manifest says, then the manifest has to be signed. What rests on the manifest alone is at most as good as the
manifest. Whatever can't be read is false; nothing in a bundle makes this end without an answer.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .claims import FALSE, MISSING, PROVED, Claim, Fault
from .container import Container
from .documents import canonical, moment_of, parse, the_object, the_text
from .envelopes import EVIDENCE_BUNDLE, LEDGER_HEAD, Key, Signed, opened

MANIFEST, SIGNED_MANIFEST = "manifest.json", "manifest.dsse.json"
LEDGER, LEDGER_HEAD_FILE = "ledger/entries.jsonl", "ledger/head.dsse.json"
POLICY, RELEASE, DECLARATION, ALLOWED_SIGNERS = "policy.json", "release.json", "declaration.yaml", "allowed_signers"
FORMAT = "shopkart evidence bundle, version 1"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


@dataclass
class Bundle:
    """What has been read of a bundle so far. Claims come out in the order in which they were looked at."""

    container: Container
    keys: tuple[Key, ...]
    now: datetime
    allowed: bytes | None
    """The list of people as the auditor has it; None: the bundle's own has to do."""
    claims: list[Claim] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    signed: list[Signed] = field(default_factory=list)
    acts: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """What the ledger says about the release, oldest first."""
    hashes: list[str] = field(default_factory=list)
    """Of all entries of the ledger that are here."""
    last_entry: int = 0

    def claim(self, name: str, check: Callable[[], str]) -> bool:
        """Look at one claim, which is proved where `check` returns and says by what."""
        try:
            self.claims.append(Claim(name, PROVED, check()))
        except Fault as fault:
            self.claims.append(Claim(name, fault.state, fault.reason))
        except Exception as error:  # What a forger wrote may be anything, and has to have an answer.
            self.claims.append(Claim(name, FALSE, f"it can't be read: {type(error).__name__}"))
        return self.claims[-1].state == PROVED

    def is_proved(self, name: str) -> bool:
        return any(claim.name == name and claim.state == PROVED for claim in self.claims)

    def vouched(self, what: str) -> str:
        """What rests on the manifest is at most as good as the manifest."""
        if not self.is_proved("manifest"):
            raise Fault(f"{what}; but it rests on the manifest, which is not proved", MISSING)
        return what

    @property
    def image(self) -> str:
        if self.manifest["image"] is None:
            raise Fault("no image was built", MISSING)
        return the_text(self.manifest["image"])

    @property
    def promotion(self) -> tuple[int, dict[str, Any]] | None:
        """The last time that the release took production; None where it never did."""
        return next((each for each in reversed(self.acts) if self._is_placed(each[1], "promote")), None)

    @property
    def production_at(self) -> datetime:
        """When production was begun with this; where it never was, when the bundle was made."""
        record = self.records.get(self._stage("production") or "")
        return moment_of(self.manifest["exported_at"] if record is None else record["started_at"])

    @property
    def production_ended_at(self) -> datetime:
        """When the release had taken production; where it never did, when the bundle was made."""
        promoted = self.promotion
        return moment_of(self.manifest["exported_at"] if promoted is None else promoted[1]["at"])

    def turned_back_before(self, sequence: int) -> int:
        """The number of the last entry before that says that the release was turned back; 0 where none does."""
        found = [number for number, act in self.acts if number < sequence and self._is_placed(act, "turn_back")]
        return max(found, default=0)

    def _is_placed(self, act: dict[str, Any], verb: str) -> bool:
        return act["verb"] == verb and act["body"].get("environment") == self.policy["environment"]

    def _stage(self, kind: str) -> str | None:
        return next((each["name"] for each in self.policy["stages"] if each["kind"] == kind), None)


def read_contents(bundle: Bundle, repository: str | None) -> str:
    manifest = bundle.manifest = the_object(parse(bundle.container.read(MANIFEST)))
    if bundle.container.read(MANIFEST) != canonical(manifest):
        raise Fault("the manifest is not written as it has to be")
    if manifest["format"] != FORMAT:
        raise Fault(f"the manifest is of another format: {str(manifest['format'])[:80]!r}")
    if repository not in (None, manifest["repository"]):
        raise Fault(f"it is about {str(manifest['repository'])[:80]}, and not about {repository}")
    told = {the_text(each["path"]): (each["sha256"], each["size"]) for each in manifest["files"]}
    found = {each.name: (each.sha256, each.size_bytes) for each in bundle.container.files.values()}
    for name in sorted({*told, *found} - {MANIFEST, SIGNED_MANIFEST}):
        if told.get(name) != found.get(name):
            raise Fault(f"{name} is not what the manifest says, or is not there, or is there without being named")
    if MANIFEST in told or SIGNED_MANIFEST in told or len(told) != len(manifest["files"]):
        raise Fault("the manifest names a file that it may not name")
    return f"{len(told)} files are what the manifest says"


def read_manifest(bundle: Bundle) -> str:
    content, manifest = bundle.container.read(SIGNED_MANIFEST), bundle.manifest
    signed = opened(content, bundle.keys, bundle.now)
    envelope = parse(content)
    if content != canonical(envelope) or [each["keyid"] for each in envelope["signatures"]] != [signed.key_id]:
        raise Fault("its envelope is not written as it has to be")
    if set(envelope) != {"payload", "payloadType", "signatures"} or set(envelope["signatures"][0]) != {"keyid", "sig"}:
        raise Fault("its envelope has something in it that nobody signed")
    if any(
        base64.b64encode(base64.b64decode(word)).decode() != word
        for word in (envelope["payload"], envelope["signatures"][0]["sig"])
    ):
        raise Fault("its envelope is not written as it has to be")
    if signed.kind != EVIDENCE_BUNDLE:
        raise Fault(f"what is signed is no manifest: {signed.kind[:80]!r}")
    if signed.subject != f"sha256:{bundle.container.files[MANIFEST].sha256}":
        raise Fault("another manifest was signed")
    for name in ("service", "release", "repository", "commit"):
        if signed.predicate.get(name) != manifest[name]:
            raise Fault(f"it is signed for another {name}: {str(signed.predicate.get(name))[:80]!r}")
    return f"signed at {signed.at.isoformat()} by key {signed.key_id[:16]}"


def read_documents(bundle: Bundle) -> str:
    bundle.policy = the_object(parse(bundle.container.read(POLICY)))
    release, manifest = the_object(parse(bundle.container.read(RELEASE))), bundle.manifest
    same = {"service": "service", "key": "release", "repository": "repository", "branch": "branch", "sha": "commit"}
    for name, told in same.items():
        if release[name] != manifest[told]:
            raise Fault(f"the release has another {name} than the manifest")
    for stage in bundle.policy["stages"]:
        for name in ("name", "kind", "phase"):
            the_text(stage[name])
        if f"records/{stage['name']}.json" in bundle.container.files:
            bundle.records[stage["name"]] = _record(bundle, stage["name"])
    for digest in bundle.policy["summaries"]:
        the_text(digest)
    if bundle.policy["writers"] is not None:
        bundle.policy["writers"] = [*bundle.policy["writers"], *release["people"]]
    return f"{manifest['service']}@{manifest['release']}, {len(bundle.records)} stages left a record"


def _record(bundle: Bundle, stage: str) -> dict[str, Any]:
    """What a stage of this release left, as far as its shape goes."""
    record = the_object(parse(bundle.container.read(f"records/{stage}.json")))
    if (record["service"], record["release_key"]) != (bundle.manifest["service"], bundle.manifest["release"]):
        raise Fault(f"the record of {stage} is of another release: {record['service']}@{record['release_key']}")
    if record["stage"] != stage:
        raise Fault(f"the record of {stage} is of another stage: {record['stage']}")
    moment_of(record["finished_at"])
    for report in the_object(record["result"])["reports"]:
        for name in ("name", "media_type", "digest"):
            the_text(report[name])
    return record


def read_ledger(bundle: Bundle) -> str:
    previous, last, count = "", 0, 0
    for line in bundle.container.lines(LEDGER):
        entry = the_object(parse(line))
        number, document = entry["sequence"], the_text(entry["document"])
        if count and number != last + 1:
            raise Fault(f"entry {last + 1} is missing: entry {number} stands in its place")
        if count and entry["previous_hash"] != previous:
            raise Fault(f"entry {number} does not follow entry {last}")
        told = f"{number}\n{the_text(entry['previous_hash'])}\n{document}".encode(errors="surrogatepass")
        if entry["entry_hash"] != hashlib.sha256(told).hexdigest():
            raise Fault(f"entry {number} was changed")
        act = the_object(parse(document.encode()))
        if (act["service"], act["release_key"]) == (bundle.manifest["service"], bundle.manifest["release"]):
            bundle.acts.append((number, act))
        previous, last, count = entry["entry_hash"], number, count + 1
        bundle.hashes.append(previous)
    if not count:
        raise Fault("the ledger has no entry about this release", MISSING)
    bundle.last_entry = last
    return f"{count} entries up to {last} follow each other, {len(bundle.acts)} are about this release"


def read_head(bundle: Bundle) -> str:
    signed = opened(bundle.container.read(LEDGER_HEAD_FILE), bundle.keys, bundle.now)
    if not bundle.is_proved("ledger chain"):
        raise Fault("the chain that leads to it is not whole", MISSING)
    last, entry_hash = bundle.last_entry, bundle.hashes[-1]
    if signed.kind != LEDGER_HEAD:
        raise Fault(f"what is signed is no head of a ledger: {signed.kind[:80]!r}")
    if (signed.subject, signed.predicate.get("sequence")) != (f"sha256:{entry_hash}", last):
        raise Fault(f"the head that is signed is not entry {last}")
    return f"entry {last} was signed as the ledger's head at {signed.at.isoformat()}"


def read_reports(bundle: Bundle) -> str:
    if not bundle.records:
        raise Fault("no stage left a record", MISSING)
    names = [report["digest"] for each in bundle.records.values() for report in each["result"]["reports"]]
    for digest in names:
        if not _DIGEST.fullmatch(digest) or report_path(digest) not in bundle.container.files:
            raise Fault(f"report {str(digest)[:80]} is not in the bundle", MISSING)
        if bundle.container.files[report_path(digest)].sha256 != digest[7:]:
            raise Fault(f"report {digest} is another one than its name says")
    return f"{len(names)} raw reports are those that the records name"


def report_path(digest: str) -> str:
    return f"reports/sha256-{digest[7:]}"
