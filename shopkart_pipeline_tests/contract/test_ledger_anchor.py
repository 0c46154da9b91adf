"""What every anchor owes its callers: one suite over the fake, a folder, and S3's API."""

import stat
from pathlib import Path
from uuid import uuid4

import pytest

from shopkart_pipeline.adapters.disk_anchor import DiskAnchor
from shopkart_pipeline.adapters.s3_anchor import S3Anchor
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.domain.hash_chain import SignedHead
from shopkart_pipeline.ledger_settings import Bucket, LedgerSettings
from shopkart_pipeline.ports.ledger_anchor import LedgerAnchor, Mark
from shopkart_pipeline_tests.contract.aws_servers import installed
from shopkart_pipeline_tests.contract.ecr_worlds import client_of
from shopkart_pipeline_tests.fakes.memory_anchor import MemoryAnchor

ONE, TWO = "1" * 64, "2" * 64
PLACES = ["memory", "disk", *(["s3"] if installed("moto") else [])]


@pytest.fixture(params=PLACES)
def anchor(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerAnchor:
    match request.param:
        case "memory":
            return MemoryAnchor()
        case "disk":
            return DiskAnchor(tmp_path / "elsewhere" / "heads")
        case _:
            client, bucket = client_of(request.getfixturevalue("moto"), "s3"), f"b{uuid4().hex}"
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
            return S3Anchor(lambda: client, bucket, "ledger/")


def test_heads_are_kept_in_the_order_of_their_numbers(anchor: LedgerAnchor) -> None:
    assert anchor.marks() == ()
    heads = [SignedHead(12, TWO, b"two"), SignedHead(3, ONE, b"one")]
    for head in heads:
        anchor.put(head)

    assert anchor.marks() == (Mark(3, ONE), Mark(12, TWO))
    assert [anchor.read(mark) for mark in anchor.marks()] == heads[::-1]


def test_a_head_that_is_there_stays_as_it_is(anchor: LedgerAnchor) -> None:
    anchor.put(SignedHead(3, ONE, b"one"))
    anchor.put(SignedHead(3, ONE, b"another"))

    assert anchor.read(Mark(3, ONE)).envelope == b"one"


def test_another_entry_of_the_same_number_hides_nothing(anchor: LedgerAnchor) -> None:
    anchor.put(SignedHead(3, ONE, b"one"))
    anchor.put(SignedHead(3, TWO, b"two"))

    assert anchor.marks() == (Mark(3, ONE), Mark(3, TWO))


def test_files_are_read_only_and_others_are_left_alone(tmp_path: Path) -> None:
    anchor = DiskAnchor(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    anchor.put(SignedHead(3, ONE, b"one"))

    [path] = tmp_path.glob("*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert anchor.marks() == (Mark(3, ONE),)


def test_a_folder_that_can_not_be_used_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")

    for act in (DiskAnchor(file).marks, lambda: DiskAnchor(file).put(SignedHead(3, ONE, b"one"))):
        with pytest.raises(ToolUnavailable, match="SHOPKART_LEDGER_ANCHOR"):
            act()


def test_settings_name_a_folder_or_a_bucket(tmp_path: Path) -> None:
    def anchor_of(said: str) -> Path | Bucket | None:
        return LedgerSettings.read({"SHOPKART_LEDGER_ANCHOR": said}).anchor

    assert anchor_of("") is None
    assert anchor_of(str(tmp_path)) == tmp_path
    assert anchor_of("s3://heads") == Bucket("heads", "")
    assert anchor_of("s3://heads/of/ledger/") == Bucket("heads", "of/ledger/")
    with pytest.raises(PipelineError, match="s3://BUCKET/PREFIX"):
        anchor_of("s3:/heads")


def test_an_address_that_is_none_is_refused_without_repeating_it() -> None:
    with pytest.raises(PipelineError) as caught:
        LedgerSettings.read({"SHOPKART_LEDGER": "mysql://me:geheim@db/x"})
    assert "geheim" not in str(caught.value)
    assert "geheim" not in repr(LedgerSettings.read({"SHOPKART_LEDGER": "postgresql://me:geheim@db/x"}))
