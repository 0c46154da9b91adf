"""A release of which everything is proved: signed statements about each stage, a signed approval, a signed ledger.

Keys and signatures are real; only what lies outside (cluster, registry, tools) is played.
"""

import atexit
import hashlib
import io
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from shutil import copy2, rmtree
from tempfile import mkdtemp
from typing import Any

from shopkart_pipeline.adapters.dsse import write_keys
from shopkart_pipeline.adapters.ssh_signature import SshSignatureVerifier, SshSigner, create_key
from shopkart_pipeline.domain.attestation import (
    ENVELOPE_MEDIA_TYPE,
    Statement,
)
from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.evidence import RawReport, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.approve_release import record_approval, statement_for
from shopkart_pipeline.services.pack_evidence import pack_evidence
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.provenance import BUILDER
from shopkart_pipeline.services.run_stage import run_stage
from shopkart_pipeline.services.sign_ledger import sign_head
from shopkart_pipeline.verifier.envelopes import RELEASE_FIELD
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor
from shopkart_pipeline_tests.fakes.world import MAYA, World

DECLARATION = b"version: 1\n# As it was in force.\n"


@dataclass
class ProvenRelease:
    """A world in which a release went to production with everything signed; `bundle` is what an auditor gets."""

    world: World
    attestor: FakeAttestor
    release: Release
    signers: Path

    @property
    def platform(self) -> Platform:
        return platform_of(self.world)

    @property
    def keys(self) -> bytes:
        return write_keys(self.attestor.keys.keys)

    def bundle(self, platform: Platform | None = None) -> bytes:
        stream = io.BytesIO()
        pack_evidence(platform or self.platform, self.release, stream)
        return stream.getvalue()

    def add_statement(self, name: str, statement: Statement, by: FakeAttestor | None = None) -> None:
        """One more envelope beside what production left."""
        self.add_envelope(name, (by or self.attestor).sign(statement).to_bytes())

    def add_envelope(self, name: str, content: bytes) -> None:
        record = self.world.record(self.release, "production")
        report = self.world.evidence.put_report(RawReport(f"{name}.dsse.json", ENVELOPE_MEDIA_TYPE, content))
        self.world.evidence.finish(
            replace(record, result=replace(record.result, reports=(*record.result.reports, report)))
        )

    def statement(self, kind: str, predicate: Mapping[str, Any]) -> Statement:
        return Statement("backend", self.world.digest(self.release), kind, predicate)


def platform_of(world: World) -> Platform:
    return replace(world.platform, verifier=SshSignatureVerifier())


def named(world: World, release: Release) -> dict[str, Any]:
    """What every statement says of the release that it is about."""
    return {
        "service": release.service,
        "release": release.key,
        "repository": release.repository,
        "branch": release.branch,
        "commit": release.sha,
        "signed_at": world.clock.now().isoformat(),
    }


def provenance(said: Mapping[str, Any], builder: str = BUILDER) -> dict[str, Any]:
    parameters = {name: value for name, value in said.items() if name != "signed_at"}
    return {
        "buildDefinition": {"buildType": "https://shopkart.example/build/v1", "externalParameters": parameters},
        "runDetails": {
            "builder": {"id": builder},
            "metadata": {"finishedOn": said["signed_at"]},
        },
    }


def verification(said: Mapping[str, Any], policy: str, result: str = "PASSED") -> dict[str, Any]:
    parameters = {name: value for name, value in said.items() if name != "signed_at"}
    return {
        "timeVerified": said["signed_at"],
        "verificationResult": result,
        "policy": {"digest": {"sha256": policy.removeprefix("sha256:")}},
        RELEASE_FIELD: parameters,
    }


def bill(said: Mapping[str, Any]) -> dict[str, Any]:
    properties = [{"name": f"shopkart:{name}", "value": value} for name, value in said.items()]
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"properties": properties}, "components": []}


def stage_result(record: StageRecord, said: Mapping[str, Any]) -> dict[str, Any]:
    return {**said, "stage": record.stage, "run": record.run_id, "record": digest_of(record), "outcome": "pass"}


def proven_release(folder: Path) -> ProvenRelease:
    """A release in production, of which a copy is handed out: making it takes a while, and tests spoil it."""
    made = deepcopy(_made(), {id(_made().attestor): _made().attestor})
    world = made.world
    world.folder = folder
    for path in (made.signers, world.pipeline.file, made.signers.parent / "approver.key"):
        copy2(path, folder)
    made.signers = world.signers = folder / made.signers.name
    world.pipeline = replace(world.pipeline, file=folder / world.pipeline.file.name)
    return made


@cache
def _made() -> ProvenRelease:
    folder = Path(mkdtemp())
    atexit.register(rmtree, folder, ignore_errors=True)
    return released_in(World(folder))


def released_in(world: World) -> ProvenRelease:
    """In this world a release goes to production with everything signed."""
    folder = world.folder
    attestor = world.sign_statements()
    world.pipeline.file.write_bytes(DECLARATION)
    digest = f"sha256:{hashlib.sha256(DECLARATION).hexdigest()}"
    world.pipeline = replace(world.pipeline, digest=digest)
    key = folder / "approver.key"
    world.signers.write_text(create_key(key, MAYA))
    release = world.ready()
    body = json.dumps({"ref": "refs/heads/main", "note": "token=abc123456789"}).encode()
    world.inbox.put(Delivery(release.delivery_id, "push", world.clock.now(), body))
    platform = platform_of(world)
    statement = statement_for(platform, release, world.clock.now())
    record_approval(platform, release, statement, SshSigner(key).sign(statement.to_bytes()))
    world.clock.advance(1)
    assert run_stage(platform, release, "production", "run-production").passed
    sign_head(platform)
    return ProvenRelease(world, attestor, release, world.signers)
