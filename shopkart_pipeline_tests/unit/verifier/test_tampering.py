"""Whatever is done to a bundle is found: a flipped byte, cut and paste, a bundle written anew without the key.

A forger has everything but the pipeline's key and the people's. What they write is never proved, and never ends without
an answer.
"""

import io
import json
import struct
import zipfile
import zlib
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.domain.attestation import EVIDENCE_BUNDLE
from shopkart_pipeline.services.bundle_container import in_memory, measure, write_container
from shopkart_pipeline.verifier.claims import FALSE, MISSING, Claim, all_proved
from shopkart_pipeline.verifier.container import Container, Fault, local_header
from shopkart_pipeline.verifier.documents import canonical
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor
from shopkart_pipeline_tests.fakes.proven_release import ProvenRelease
from shopkart_pipeline_tests.unit.verifier.conftest import Verify


def files_of(content: bytes) -> dict[str, bytes]:
    container = Container(io.BytesIO(content))
    return {name: container.read(name) for name in container.files}


def written(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    write_container([measure(in_memory(name, content)) for name, content in files.items()], stream)
    return stream.getvalue()


def with_manifest(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files with a manifest that fits them, signed as before: what a forger without the key can do."""
    told = json.loads(files["manifest.json"])
    others = {name: content for name, content in files.items() if not name.startswith("manifest.")}
    told["files"] = [
        {"path": name, "size": measured.size_bytes, "sha256": measured.sha256}
        for name, content in sorted(others.items())
        if (measured := measure(in_memory(name, content)))
    ]
    return {**files, "manifest.json": canonical(told)}


def one_of_each(names: Iterable[str]) -> list[str]:
    """A file of each folder, and each that is in none."""
    return list({name.partition("/")[0]: name for name in names}.values())


def flipped(content: bytes, position: int, bit: int = 0) -> bytes:
    return content[:position] + bytes([content[position] ^ (1 << bit)]) + content[position + 1 :]


def states(check: Verify, content: bytes) -> dict[str, str]:
    return {claim.name: claim.state for claim in check(content)}


def test_a_bundle_that_nobody_touched_is_proved(check: Verify, bundle: bytes) -> None:
    assert [claim for claim in check(bundle) if claim.state != "proved"] == []


def test_the_same_release_gives_the_same_bytes(proven: ProvenRelease, bundle: bytes) -> None:
    assert proven.bundle() == bundle


def test_any_tool_opens_it(bundle: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle)) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == files_of(bundle)


def test_every_single_bit_of_a_container_is_accounted_for() -> None:
    content = written({"a": b"one", "b/c": b"", "d.json": b"{}"})

    for position in range(len(content)):
        for bit in range(8):
            with pytest.raises(Fault):
                Container(io.BytesIO(flipped(content, position, bit)))


def test_a_byte_in_any_region_of_a_bundle_is_missed(check: Verify, bundle: bytes) -> None:
    """The header, the name, and the content's begin and middle of a file of each kind; the directory all over."""
    container = Container(io.BytesIO(bundle))
    stored = list(container.files.values())
    places = {
        place
        for each in (container.files[name] for name in one_of_each(container.files))
        for place in (each.header_at + 14, each.content_at - 1, each.content_at, each.content_at + each.size_bytes // 2)
    }
    places |= {stored[0].header_at, stored[-1].content_at + stored[-1].size_bytes - 1, len(bundle) - 1}
    places |= set(range(stored[-1].content_at + stored[-1].size_bytes, len(bundle), 50))

    assert all(states(check, flipped(bundle, place))["container"] == FALSE for place in places)


def test_a_changed_file_is_found_though_its_checksum_fits(check: Verify, bundle: bytes) -> None:
    files = files_of(bundle)
    for name in one_of_each(files):
        content = files[name]
        found = states(check, written({**files, name: flipped(content, len(content) // 2)}))
        assert not all(state == "proved" for state in found.values()), name
        assert found["container"] == "proved"


def test_a_changed_file_is_found_though_the_manifest_fits(check: Verify, bundle: bytes) -> None:
    files = files_of(bundle)
    for name in one_of_each(files):
        content = files[name]
        if not name.startswith("manifest."):
            forged = with_manifest({**files, name: content[:-2] + b" " + content[-2:]})
            found = states(check, written(forged))
            assert (found["contents"], found["manifest"]) == ("proved", FALSE), name


def test_a_file_that_is_left_out_or_added_is_found(check: Verify, bundle: bytes) -> None:
    files = files_of(bundle)
    for name in one_of_each(files):
        less = {each: content for each, content in files.items() if each != name}
        assert not all_proved(check(written(less))), name
        if not name.startswith("manifest."):
            assert not all_proved(check(written(with_manifest(less)))), name
    assert states(check, written({**files, "records/zzz.json": b"{}"}))["contents"] == FALSE


def test_a_bundle_without_its_signature_proves_nothing_that_rests_on_it(check: Verify, bundle: bytes) -> None:
    files = files_of(bundle)
    del files["manifest.dsse.json"]

    found = states(check, written(files))

    assert found["manifest"] == MISSING
    assert (found["gates of lint"], found["approvals"], found["policy"]) == (MISSING, MISSING, MISSING)
    assert found["record of lint"] == "proved"  # It has a signature of its own.


def test_a_bundle_that_somebody_else_signed_is_not_proved(check: Verify, proven: ProvenRelease, bundle: bytes) -> None:
    forger = FakeAttestor()
    forged = proven.bundle(replace(proven.platform, attestor=forger))

    assert states(check, forged)["manifest"] == FALSE


def test_an_envelope_of_the_manifest_has_nothing_in_it_that_is_not_signed(check: Verify, bundle: bytes) -> None:
    files = files_of(bundle)
    envelope = json.loads(files["manifest.dsse.json"])
    first = envelope["signatures"][0]
    payload = envelope["payload"]
    changed = [
        {**envelope, "signatures": [{**first, "keyid": "0" * 64}]},
        {**envelope, "signatures": [first, first]},
        {**envelope, "signatures": [{**first, "note": "added"}]},
        {**envelope, "note": "added"},
        {**envelope, "payload": payload[:-4] + chr(ord(payload[-4]) ^ 1) + payload[-3:]},
    ]
    for each in changed:
        assert states(check, written({**files, "manifest.dsse.json": canonical(each)}))["manifest"] == FALSE
    spaced = json.dumps(envelope).encode()
    assert states(check, written({**files, "manifest.dsse.json": spaced}))["manifest"] == FALSE


def _two_of_one_name(bundle: bytes) -> bytes:
    stream = io.BytesIO(bundle)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(stream, "a") as opened:
        opened.writestr("release.json", "{}")
    return stream.getvalue()


def _with_comment(bundle: bytes) -> bytes:
    return bundle[:-2] + struct.pack("<H", 3) + b"abc"


def _rewritten(bundle: bytes, method: int = zipfile.ZIP_STORED, name: str | None = None) -> bytes:
    """As any tool would write it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as opened:
        for each, content in files_of(bundle).items():
            opened.writestr(each, content)
        if name is not None:
            opened.writestr(name, b"x")
    return stream.getvalue()


def _other_directory(bundle: bytes) -> bytes:
    """A directory that leads readers of it to another content than reading from the front."""
    extra = local_header("release.json", 2, zlib.crc32(b"{}")) + b"{}"
    return extra + bundle


TRICKS = {
    "two entries of one name": _two_of_one_name,
    "something before it": lambda bundle: b"#!/bin/sh\n" + bundle,
    "something behind it": lambda bundle: bundle + b"\n",
    "a comment": _with_comment,
    "compressed": lambda bundle: _rewritten(bundle, zipfile.ZIP_DEFLATED),
    "another writer": _rewritten,
    "a way out of the folder": lambda bundle: _rewritten(bundle, name="../../etc/cron.d/x"),
    "an absolute name": lambda bundle: _rewritten(bundle, name="/etc/x"),
    "a file in front that the directory does not name": _other_directory,
    "another bundle behind it": lambda bundle: bundle + bundle,
    "nothing": lambda bundle: b"",
    "only the end": lambda bundle: bundle[-22:],
    "no archive": lambda bundle: b"{}",
    "a bomb": lambda bundle: local_header("a", 0xFFFFFFFF, 0) + bundle,
}


@pytest.mark.parametrize("trick", TRICKS)
def test_a_trick_with_the_container_is_found(check: Verify, bundle: bytes, trick: str) -> None:
    claims = check(TRICKS[trick](bundle))

    assert claims[0].name == "container"
    assert claims[0].state == FALSE


@pytest.mark.parametrize(
    "name", ["", "/a", "../a", "a/../b", "a//b", "a/", "./a", "a/.", "a\\b", "a\0b", "a\n", "ä", "C:x", "a" * 201]
)
def test_no_file_has_a_name_that_leads_elsewhere(name: str) -> None:
    header = local_header(name, 1, zlib.crc32(b"x"))

    with pytest.raises(Fault, match="name that no file may have"):
        Container(io.BytesIO(header + b"x"))


def test_more_files_than_a_directory_can_name_have_an_answer(check: Verify) -> None:
    content = b"".join(local_header(f"{number:05}", 0, 0) for number in range(0x10000))

    assert check(content)[0] == Claim("container", FALSE, "there are more than 65535 files or 4294967295 bytes")


def test_a_file_that_changes_after_it_was_measured_is_found() -> None:
    stream = io.BytesIO(written({"a": b"one\n"}))
    container = Container(stream)
    stream.seek(container.files["a"].content_at)
    stream.write(b"two\n")

    with pytest.raises(Fault, match="a was changed while it was read"):
        container.read("a")
    with pytest.raises(Fault, match="a was changed while it was read"):
        list(container.lines("a"))


def test_files_out_of_order_are_found() -> None:
    one, two = (local_header(name, 1, zlib.crc32(b"x")) + b"x" for name in ("a", "b"))

    for content in (two + one, one + one):
        with pytest.raises(Fault, match="twice, or out of order"):
            Container(io.BytesIO(content))


@settings(max_examples=60)
@given(data=st.data())
def test_any_cut_and_paste_is_found(check: Verify, bundle: bytes, data: st.DataObject) -> None:
    places = st.integers(0, len(bundle))
    start, end, target = sorted(data.draw(places) for _ in range(3))
    changed = data.draw(
        st.sampled_from(
            [
                bundle[:start],
                bundle[start:],
                bundle[:start] + bundle[end:],
                bundle[:start] + bundle[start:end] + bundle[start:end] + bundle[end:],
                bundle[:start] + bundle[end:target] + bundle[start:end] + bundle[target:],
                bundle + bundle[start:end],
                bundle[:start] + data.draw(st.binary(min_size=1, max_size=40)) + bundle[start:],
                bundle[:start] + b"\0" * (end - start) + bundle[end:],
            ]
        )
    )

    assert changed == bundle or not all_proved(check(changed))


ANYTHING = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({}) | st.just([{}])


@settings(max_examples=40)
@given(choice=st.integers(0, 10**6), value=ANYTHING)
def test_any_change_of_a_document_is_found(check: Verify, bundle: bytes, choice: int, value: object) -> None:
    """A value anywhere in a JSON document is replaced, and everything that takes no key is made to fit."""
    files = files_of(bundle)
    documents = {name: json.loads(content) for name, content in files.items() if name.endswith(".json")}
    others = [name for name in sorted(documents) if not name.startswith("manifest.")]
    places = [(name, path) for name in others for path in _paths(documents[name])]
    name, path = places[choice % len(places)]
    changed = canonical(_replaced(documents[name], path, value))

    claims = check(written(with_manifest({**files, name: changed})))

    assert changed == canonical(documents[name]) or not all_proved(claims)


@settings(max_examples=30)
@given(choice=st.integers(0, 10**6), value=ANYTHING)
def test_whatever_the_signer_signs_has_an_answer(
    check: Verify, proven: ProvenRelease, bundle: bytes, choice: int, value: object
) -> None:
    """The signing key is in the wrong hands: anything may be signed, and the verifier still says something of it."""
    files = files_of(bundle)
    documents = {name: json.loads(content) for name, content in files.items() if name.endswith(".json")}
    others = [name for name in sorted(documents) if not name.startswith(("manifest.", "notes.", "gates.", "delivery."))]
    places = [(name, path) for name in others for path in _paths(documents[name])]
    name, path = places[choice % len(places)]
    forged = with_manifest({**files, name: canonical(_replaced(documents[name], path, value))})
    statement = replace(
        proven.attestor.signed[0], subject_digest=f"sha256:{sha256(forged['manifest.json']).hexdigest()}"
    )
    predicate = json.loads(b64decode(json.loads(files["manifest.dsse.json"])["payload"]))["predicate"]
    statement = replace(statement, predicate_type=EVIDENCE_BUNDLE, predicate=predicate)
    forged["manifest.dsse.json"] = proven.attestor.envelope(statement.to_bytes()).to_bytes()

    claims = check(written(forged))

    assert claims[2].name == "manifest"
    assert claims[2].state == "proved"
    is_attested = name.startswith("records/") and not name.endswith(("production.json", "attestations.json"))
    assert not is_attested or forged[name] == files[name] or not all_proved(claims)


Path = tuple[str | int, ...]


def _paths(document: object) -> list[Path]:
    """Where a document has a value: itself, and everything in it."""
    inner: list[Path] = []
    if isinstance(document, dict):
        inner = [(name, *path) for name in sorted(document) for path in _paths(document[name])]
    elif isinstance(document, list):
        inner = [(place, *path) for place, each in enumerate(document) for path in _paths(each)]
    return [(), *inner]


def _replaced(document: Any, path: Path, value: object) -> object:
    if not path:
        return value
    changed = dict(document) if isinstance(document, dict) else list(document)
    changed[path[0]] = _replaced(document[path[0]], path[1:], value)
    return changed
