"""What is in a bundle, what is left out of it, and that nothing in it is believed to be harmless."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence, RawReport
from shopkart_pipeline.domain.incident import Incident, IncidentStep, TimelineEntry
from shopkart_pipeline.domain.release import Person
from shopkart_pipeline.known_secrets import KNOWN
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.bundle_container import BundleFile, in_memory, measure, write_container
from shopkart_pipeline.services.bundle_documents import without_secrets_in
from shopkart_pipeline.services.pack_evidence import pack_evidence
from shopkart_pipeline.verifier.claims import MISSING
from shopkart_pipeline.verifier.container import Container
from shopkart_pipeline.verifier.envelopes import read_keys
from shopkart_pipeline.verifier.release import verify
from shopkart_pipeline_tests.fakes.proven_release import DECLARATION, ProvenRelease, proven_release
from shopkart_pipeline_tests.fakes.world import MAYA, World

HOSTILE = "</td><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"
TOKEN = "ghp_" + "A1b2C3d4" * 5


@pytest.fixture
def own(tmp_path: Path) -> ProvenRelease:
    return proven_release(tmp_path)


def files(proven: ProvenRelease) -> dict[str, bytes]:
    container = Container(io.BytesIO(proven.bundle()))
    return {name: container.read(name) for name in container.files}


def document(proven: ProvenRelease, name: str) -> Any:
    return json.loads(files(proven)[name])


def incident_about(proven: ProvenRelease, text: str) -> Incident:
    now = proven.world.clock.now()
    timeline = (TimelineEntry(now, IncidentStep.OPENED, text),)
    digest = proven.world.digest(proven.release)
    return Incident("i-1", "backend", "production", proven.release.key, digest, text, 1, 2, timeline)


def test_a_bundle_holds_everything_about_a_release(own: ProvenRelease) -> None:
    own.world.incidents.keep(lambda known: incident_about(own, "errors"))
    own.world.incidents.attach("i-1", "postmortem.md", b"# What happened")
    own.world.incidents.attach("i-1", "graph.png", b"\x89PNG\xff")

    found = files(own)

    assert {
        "allowed_signers",
        "declaration.yaml",
        "delivery.json",
        "gates.json",
        "incidents/i-1/attached/graph.png",
        "incidents/i-1/attached/postmortem.md",
        "incidents/i-1/incident.json",
        "index.html",
        "ledger/entries.jsonl",
        "ledger/head.dsse.json",
        "manifest.dsse.json",
        "manifest.json",
        "missing.json",
        "notes.json",
        "policy.json",
        "release.json",
        "verifier/__main__.py",
        *(f"records/{stage.name}.json" for stage in own.world.pipeline.services["backend"].stages),
    } <= set(found)
    assert json.loads(found["missing.json"]) == []


def test_an_incident_of_another_release_is_not_told(own: ProvenRelease) -> None:
    own.world.incidents.keep(lambda known: replace(incident_about(own, "errors"), suspected_release="another"))

    assert not any(name.startswith("incidents/") for name in files(own))


def test_without_a_signer_the_bundle_says_so(own: ProvenRelease) -> None:
    stream = io.BytesIO()

    packed = pack_evidence(replace(own.platform, attestor=None), own.release, stream)

    assert packed.signed_by is None
    assert ("manifest.dsse.json", "nobody signs here") in packed.missing
    claims = {each.name: each for each in verify(stream, read_keys(own.keys), own.world.clock.now())}
    assert claims["manifest"].state == MISSING


def test_a_release_that_nothing_is_known_of_yet_makes_a_bundle_that_proves_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    release, stream = world.merge(), io.BytesIO()

    packed = pack_evidence(world.platform, release, stream)

    claims = verify(stream, (), world.clock.now())
    assert {what for what, _ in packed.missing} >= {"delivery.json", "declaration.yaml", "ledger/head.dsse.json"}
    assert [claim.name for claim in claims if claim.state == "proved"] == ["container", "contents", "documents"]


def test_secrets_from_outside_are_masked(own: ProvenRelease) -> None:
    body = {"pusher": {"token": "abcdefgh"}, "head_commit": {"message": f"use {TOKEN}"}, "after": "a" * 40}
    delivery = Delivery(own.release.delivery_id, "push", own.world.clock.now(), json.dumps(body).encode())
    own.world.inbox._deliveries[delivery.id] = delivery
    own.world.evidence.note(
        Note("backend", own.release.key, own.world.clock.now(), "rollout", f"password=hunter22 {TOKEN}", {"by": TOKEN})
    )
    own.world.incidents.keep(lambda known: incident_about(own, f"leaked {TOKEN}"))
    own.world.incidents.attach("i-1", "postmortem.md", f"It was {TOKEN}.".encode())

    found = files(own)

    assert not [name for name, content in found.items() if TOKEN.encode() in content]
    assert json.loads(found["delivery.json"])["body"]["pusher"] == {"token": "[redacted]"}
    assert json.loads(found["delivery.json"])["body"]["after"] == "a" * 40
    assert b"hunter22" not in found["notes.json"] + found["index.html"]


def test_what_an_act_names_is_left_out_where_it_holds_a_secret(own: ProvenRelease) -> None:
    """Its digest is in the ledger, so it can't be masked; the bundle says that it is not there."""
    report = own.world.evidence.put_report(RawReport("comment.json", "application/json", f'{{"a":"{TOKEN}"}}'.encode()))
    [entry] = [each for each in own.world.ledger.kept if each.act.verb == "approve"]
    spoiled = replace(entry, act=replace(entry.act, body={**entry.act.body, "payload": report.digest}))
    own.world.ledger.kept[own.world.ledger.kept.index(entry)] = spoiled

    missing = document(own, "missing.json")

    assert [each["what"] for each in missing] == [f"reports/sha256-{report.digest[7:]}"]


def test_a_secret_that_the_pipeline_knows_is_nowhere_in_a_bundle(own: ProvenRelease) -> None:
    """It has no shape by which anybody would know it."""
    value = "plainly unremarkable words 7"
    own.world.evidence.note(Note("backend", own.release.key, own.world.clock.now(), "rollout", value, {}))
    own.world.incidents.keep(lambda known: incident_about(own, value))
    record = own.world.record(own.release, "lint")
    assert isinstance(record.result, Evidence)
    report = own.world.evidence.put_report(RawReport("lint.txt", "text/plain", value.encode()))
    own.world.evidence.finish(replace(record, result=replace(record.result, summary=value, reports=(report,))))
    KNOWN.add(value)
    try:
        found = files(own)
    finally:
        KNOWN.forget()

    assert not [name for name, content in found.items() if value.encode() in content]
    assert {each["what"] for each in json.loads(found["missing.json"])} == {
        "records/lint.json",
        f"reports/sha256-{report.digest[7:]}",
    }


def test_masking_keeps_what_is_no_secret() -> None:
    told = {"a": [1, None, True, {"b": "fine"}], "api_key": "abcdefgh", "token": {"inner": "fine"}, "count": 3}

    assert without_secrets_in(told) == {**told, "api_key": "[redacted]"}


def test_a_declaration_that_was_changed_since_is_given_as_it_was_kept(own: ProvenRelease) -> None:
    own.world.pipeline.file.write_bytes(b"version: 1\n# another\n")

    assert files(own)["declaration.yaml"] == DECLARATION

    own.world.evidence.reports.pop(own.world.pipeline.digest)
    assert "declaration.yaml" not in files(own)
    assert "declaration.yaml" in {each["what"] for each in document(own, "missing.json")}


def test_a_store_that_changes_while_the_bundle_is_written_is_noticed() -> None:
    contents = iter([b"one", b"two"])
    file = BundleFile("a", lambda: [next(contents)])

    with pytest.raises(PipelineError, match="a changed while the bundle was written"):
        write_container([measure(file)], io.BytesIO())


def test_no_file_of_a_bundle_leads_elsewhere() -> None:
    with pytest.raises(PipelineError, match="can't hold a file named"):
        measure(in_memory("../a", b""))


def test_two_reports_are_never_in_memory_at_once(own: ProvenRelease) -> None:
    """A report is read when it is measured and when it is written, and not kept in between."""
    asked: list[str] = []
    real = own.world.evidence.get_report
    own.world.evidence.get_report = lambda digest: (asked.append(digest), real(digest))[1]  # type: ignore[method-assign]

    own.bundle()

    named = {report.digest for record in own.world.evidence.latest("backend", own.release.key).values()
             for report in record.result.reports}  # fmt: skip
    assert {digest for digest in asked if digest in named} == named
    assert max(asked.count(digest) for digest in named) == 3  # Is it there, what is it, and its bytes.


# The page.


def hostile(own: ProvenRelease) -> str:
    world = own.world
    release = replace(own.release, title=HOSTILE, author=Person(HOSTILE, HOSTILE), actor=HOSTILE, branch=HOSTILE)
    world.evidence._releases[release.service, release.key] = release
    record = world.record(own.release, "lint")
    assert isinstance(record.result, Evidence)
    world.evidence.finish(replace(record, run_id=HOSTILE, result=replace(record.result, summary=HOSTILE)))
    world.evidence.note(Note("backend", own.release.key, world.clock.now(), HOSTILE, HOSTILE, {}))
    world.incidents.keep(lambda known: incident_about(own, HOSTILE))
    own.release = release
    return files(own)["index.html"].decode()


def test_nothing_that_somebody_wrote_becomes_markup(own: ProvenRelease) -> None:
    page = hostile(own)

    tags = {name.lower() for name in re.findall(r"<\s*/?\s*([a-zA-Z!][\w-]*)", page)}
    assert tags == {
        "!doctype", "a", "body", "caption", "code", "h1", "h2", "head", "html", "meta", "p", "section", "span", "style",
        "table", "tbody", "td", "th", "thead", "title", "tr",
    }  # fmt: skip
    assert not re.search(r"<[^>]*\son\w+\s*=", page)
    assert page.count("&lt;script&gt;") >= 6


def test_the_page_needs_nothing_from_elsewhere(own: ProvenRelease) -> None:
    page = files(own)["index.html"].decode()

    assert "default-src 'none'" in page.replace("&#x27;", "'")
    assert not re.search(r"(src|href)=\"(?!reports/sha256-)", page)
    assert "@import" not in page
    assert "url(" not in page


def test_the_page_tells_who_did_what_when(own: ProvenRelease) -> None:
    page = files(own)["index.html"].decode()

    for words in (MAYA, own.release.sha, own.world.digest(own.release), "new_violations", "promote", "four eyes"):
        assert words in page
    assert ">proved<" not in page  # A page can say whatever its writer likes: the verifier says that.
