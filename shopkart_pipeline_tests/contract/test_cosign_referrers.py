"""What is kept beside an image is what the real cosign finds there, and what cosign puts there is read.

cosign evaluates policies with the library that policy-controller has, so the rule for clusters is shown to it.
"""

import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopkart_pipeline.adapters._http import HttpClient
from shopkart_pipeline.adapters.oci_distribution import OciHttpRegistry
from shopkart_pipeline.domain.attestation import PROVENANCE, STAGE_RESULT, Statement
from shopkart_pipeline.ports.registry import ImageRegistry
from shopkart_pipeline.services.attach_envelope import attach_envelopes, attached_envelopes
from shopkart_pipeline.settings import SHIPPED_DECLARATION
from shopkart_pipeline_tests.contract.images import a_request
from shopkart_pipeline_tests.contract.registry_server import running_registry
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor
from shopkart_pipeline_tests.fakes.fake_builder import FakeBuilder

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_POLICIES = SHIPPED_DECLARATION.parent / "deploy" / "admission" / "production-images.yaml"
_LEGACY = ["--new-bundle-format=false"]


class World:
    """An image in a registry, with statements of ours about it."""

    def __init__(self, registry: ImageRegistry, address: str, folder: Path) -> None:
        self.registry = registry
        self.folder = folder
        self.attestor = FakeAttestor()
        self.host = address.removeprefix("http://")
        self.digest = self.image("1")
        self.public = folder / "key.pem"
        self.public.write_text(self.attestor.keys.keys[0].public_pem, encoding="ascii")
        for kind in (PROVENANCE, STAGE_RESULT):
            self.attest(self.digest, kind, {"buildDefinition": {"buildType": "ours"}})

    def image(self, version: str) -> str:
        """The digest of another image."""
        request = a_request(self.folder / version, files={"app/a.py": f"VERSION = {version}\n"})
        FakeBuilder().build(request)
        return self.registry.push(request.layout, "shop/backend", version)

    def attest(self, digest: str, kind: str, predicate: Mapping[str, Any]) -> None:
        """A statement of ours, where it belongs."""
        envelope = self.attestor.sign(Statement("shop/backend", digest, kind, predicate))
        assert attach_envelopes(self.registry, "shop/backend", digest, [(envelope, kind)]).note is None

    def cosign(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COSIGN_PASSWORD": "", "HOME": str(self.folder)}
        return subprocess.run(
            ["cosign", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60
        )

    def verify(self, key: Path, *options: str, digest: str | None = None) -> subprocess.CompletedProcess[str]:
        asked = ["--type", "slsaprovenance1", "--key", str(key), "--insecure-ignore-tlog"]
        reference = f"{self.host}/shop/backend@{digest or self.digest}"
        return self.cosign("verify-attestation", *asked, *options, reference)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("cosign")
    with running_registry(folder / "registry") as address:
        client = HttpClient("The registry", address)
        yield World(OciHttpRegistry(client, address), address, folder)
        client.close()


@pytest.mark.parametrize("options", [[], _LEGACY], ids=["referrer", "tag"])
def test_cosign_verifies_what_is_attached(world: World, options: list[str]) -> None:
    verified = world.verify(world.public, *options)

    assert verified.returncode == 0, verified.stderr
    assert world.digest.removeprefix("sha256:") in _payloads(verified.stdout)


@pytest.mark.parametrize("options", [[], _LEGACY], ids=["referrer", "tag"])
def test_cosign_refuses_it_for_another_key(world: World, options: list[str]) -> None:
    other = world.folder / "other.pem"
    other.write_text(FakeAttestor().keys.keys[0].public_pem, encoding="ascii")

    refused = world.verify(other, *options)

    assert refused.returncode != 0
    assert "no matching attestations" in refused.stderr


def test_what_cosign_attests_is_read_and_what_was_there_stays(world: World) -> None:
    (world.folder / "predicate.json").write_text('{"buildDefinition": {}, "runDetails": {}}', encoding="ascii")
    assert world.cosign("generate-key-pair").returncode == 0
    assert world.cosign("signing-config", "create", "--out", "config.json").returncode == 0
    attest = ["attest", "--key", "cosign.key", "--yes", "--type", "slsaprovenance1", "--predicate", "predicate.json"]
    legacy = [*_LEGACY, "--use-signing-config=false", "--tlog-upload=false"]
    before = attached_envelopes(world.registry, "shop/backend", world.digest)

    for options in (["--signing-config", "config.json"], legacy):
        attested = world.cosign(*attest, *options, f"{world.host}/shop/backend@{world.digest}")
        assert attested.returncode == 0, attested.stderr

    found = attached_envelopes(world.registry, "shop/backend", world.digest)
    theirs = [envelope for envelope in found if envelope not in before]
    assert len(before) == 2
    assert len(theirs) == 2
    assert set(before) <= set(found)
    assert [json.loads(each.payload)["predicateType"] for each in theirs] == [PROVENANCE, PROVENANCE]
    assert world.verify(world.folder / "cosign.pub").returncode == 0
    assert world.verify(world.public).returncode == 0
    assert {world.attestor.verified(each, _NOW).statement.predicate_type for each in before} == {
        PROVENANCE,
        STAGE_RESULT,
    }


def _without(path: str) -> dict[str, Any]:
    predicate = deepcopy(_GOOD)
    *way, last = path.split(".")
    del reduce(lambda part, name: part[name], way, predicate)[last]
    return predicate


_GOOD: dict[str, Any] = {
    "buildDefinition": {
        "buildType": "https://shopkart.example/build-types/image/v1",
        "externalParameters": {"repository": "shopkart/storefront", "branch": "main", "service": "backend", "more": 1},
        "internalParameters": {},
    },
    "runDetails": {"builder": {"id": "https://shopkart.example/builders/pipeline/v1", "version": {}}},
}


@pytest.mark.parametrize(
    ("version", "predicate", "words"),
    [
        ("good", _GOOD, None),
        ("other", {**_GOOD, "runDetails": {"builder": {"id": "https://evil.example"}}}, "runDetails.builder.id"),
        ("fork", _without("buildDefinition.externalParameters.repository"), "field is required but not present"),
        ("nobody", _without("runDetails.builder"), "field is required but not present"),
    ],
)
def test_the_rule_for_clusters_takes_what_the_declared_builder_made(
    world: World, version: str, predicate: dict[str, Any], words: str | None
) -> None:
    digest = world.image(version)
    world.attest(digest, PROVENANCE, predicate)
    policy = world.folder / "policy.cue"
    (rule,) = (
        each["spec"]["authorities"][0]["attestations"][0]["policy"]["data"]
        for each in yaml.safe_load_all(_POLICIES.read_text(encoding="utf-8"))
        if each["metadata"]["name"] == "shopkart-production-backend-provenance"
    )
    policy.write_text(rule, encoding="utf-8")
    decided = world.verify(world.public, "--policy", str(policy), digest=digest)

    assert decided.returncode == (0 if words is None else 1), decided.stderr
    assert words is None or words in decided.stderr


def _payloads(output: str) -> str:
    return "".join(base64.b64decode(json.loads(line)["payload"]).decode() for line in output.splitlines() if line)
