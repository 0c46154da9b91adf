"""What every evidence store owes its callers: one suite over the fake, SQLite and PostgreSQL; what files do."""

import math
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.adapters._postgres import Database
from shopkart_pipeline.adapters._report_blobs import FolderReports
from shopkart_pipeline.adapters.postgres_evidence import PostgresEvidenceStore
from shopkart_pipeline.adapters.postgres_reports import PostgresReports
from shopkart_pipeline.adapters.sqlite_evidence import SqliteEvidenceStore
from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.domain.evidence import (
    Evidence,
    EvidenceMissing,
    Finding,
    RawReport,
    Report,
    Reuse,
    Severity,
    StageRecord,
    Tool,
    keys_of,
)
from shopkart_pipeline.domain.release import Person, Release
from shopkart_pipeline.ports.evidence_store import EvidenceStore, Note, StageStart
from shopkart_pipeline_tests.contract.durable_writers import acknowledged, start_writer
from shopkart_pipeline_tests.fakes.memory_evidence import MemoryEvidenceStore

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)
TOOL = Tool("ruff", "0.14", "E,F")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> EvidenceStore:
    match request.param:
        case "memory":
            return MemoryEvidenceStore()
        case "sqlite":
            return SqliteEvidenceStore(tmp_path / "below")
        case _:
            stores: Database = request.getfixturevalue("stores")
            return PostgresEvidenceStore(stores, PostgresReports(stores))


def a_release(key: str = "key", service: str = "backend", **details: Any) -> Release:
    ana = Person("Zoë", "zoe@shopkart.example")
    release = Release(
        service, key, "shopkart/storefront", "main", "a" * 40, None, "Carts 🛒", ana, (ana.email,), "zoe", "d-1", NOON
    )
    return replace(release, **details)


def start(stage: str = "lint", run_id: str = "run-1", second: int = 0) -> StageStart:
    return StageStart("backend", "key", stage, run_id, NOON + timedelta(seconds=second))


def record(
    stage: str = "lint", run_id: str = "run-1", result: Evidence | EvidenceMissing | None = None, key: str = "key"
) -> StageRecord:
    evidence = result or Evidence(TOOL, "fine", {"violations": 0})
    return StageRecord("backend", key, stage, run_id, NOON, NOON + timedelta(seconds=2.5), "a" * 40, None, evidence)


FULL = Evidence(
    tool=TOOL,
    summary='one finding | `with` odd "letters" ✓',
    measures={"violations": 1, "ratio": 0.1, "large": 1e300, "small": -0.0},
    findings=(
        Finding(
            "S105",
            Severity.UNKNOWN,
            "a credential",
            "f1",
            path="dir/ä b.py",
            line=3,
            package="p",
            installed_version="1",
            fixed_in="2",
            is_new=False,
            link="https://example.com",
        ),
    ),
    facts={"digest": "sha256:x", "": ""},
    notes=("exempted",),
    reports=(Report("r.json", "application/json", "sha256:x", 12),),
)


# Releases.


def test_releases_are_read_on_from_where_somebody_stopped(store: EvidenceStore) -> None:
    for key in ("b", "a", "b", "c"):
        store.add_release(a_release(key))
    first = store.added_after(0, 2)
    assert [release.key for _, release in first] == ["b", "a"]
    assert [release.key for _, release in store.added_after(first[-1][0], 9)] == ["c"]
    assert store.added_after(store.added_after(0, 9)[-1][0], 9) == ()


def test_results_are_read_on_in_the_order_in_which_they_were_kept(store: EvidenceStore) -> None:
    """And not in that in which the attempts began: the one that began first may end last."""
    for stage in ("slow", "quick", "hanging"):
        store.begin(start(stage))
    store.finish(record("quick"))
    store.finish(record("never_begun"))
    [quick, other] = store.finished_after(0, 9)
    store.finish(record("slow"))
    assert [each.stage for _, each in (quick, other)] == ["quick", "never_begun"]
    assert [each.stage for _, each in store.finished_after(other[0], 9)] == ["slow"]
    assert store.finished_after(0, 1) == (quick,)


def test_a_release_comes_back_as_it_was_kept(store: EvidenceStore) -> None:
    elsewhere = replace(a_release(), received_at=NOON.astimezone(timezone(timedelta(hours=9))))

    assert store.add_release(elsewhere)
    assert store.release("backend", "key") == elsewhere


def test_a_release_that_is_known_is_kept_as_it_was_first(store: EvidenceStore) -> None:
    store.add_release(a_release())

    assert not store.add_release(a_release(title="another"))
    assert store.release("backend", "key").title == "Carts 🛒"


def test_releases_are_listed_newest_first_and_no_more_than_asked_for(store: EvidenceStore) -> None:
    for key, service in [("1", "backend"), ("2", "frontend"), ("3", "backend")]:
        store.add_release(a_release(key, service))

    assert [release.key for release in store.releases()] == ["3", "2", "1"]
    assert [release.key for release in store.releases("backend")] == ["3", "1"]
    assert [release.key for release in store.releases(limit=2)] == ["3", "2"]
    assert store.releases("nobody") == ()


@pytest.mark.parametrize(
    ("service", "key"), [("backend", "other"), ("frontend", "key"), ("", ""), ("' OR 1=1 --", "key")]
)
def test_a_release_that_is_not_there_is_not_found(store: EvidenceStore, service: str, key: str) -> None:
    store.add_release(a_release())

    with pytest.raises(NotFound):
        store.release(service, key)


# Attempts.


@pytest.mark.parametrize("result", [FULL, EvidenceMissing("out of time", TOOL), EvidenceMissing("absent")])
def test_a_record_comes_back_as_it_was_kept(store: EvidenceStore, result: Evidence | EvidenceMissing) -> None:
    store.finish(record(result=result))

    assert store.latest("backend", "key") == {"lint": record(result=result)}


def test_every_release_is_named_newest_first(store: EvidenceStore) -> None:
    assert store.release_names() == ()
    for key in ("1", "2"):
        store.add_release(a_release(key))
    assert store.release_names() == (("backend", "2"), ("backend", "1"))


def test_an_attempt_that_began_is_running_until_it_is_finished(store: EvidenceStore) -> None:
    store.begin(start())
    assert (store.running("backend", "key"), store.latest("backend", "key")) == ((start(),), {})

    store.finish(record())

    assert store.running("backend", "key") == ()
    assert set(store.latest("backend", "key")) == {"lint"}


def test_the_newest_record_of_each_stage_counts(store: EvidenceStore) -> None:
    for run_id in ("run-1", "run-2"):
        for stage in ("lint", "unit_tests"):
            store.begin(start(stage, run_id))
            store.finish(record(stage, run_id))

    latest = store.latest("backend", "key")

    assert {stage: each.run_id for stage, each in latest.items()} == {"lint": "run-2", "unit_tests": "run-2"}


def test_an_attempt_that_died_hides_no_earlier_record(store: EvidenceStore) -> None:
    store.begin(start(run_id="run-1"))
    store.finish(record(run_id="run-1"))

    store.begin(start(run_id="run-2", second=9))

    assert store.latest("backend", "key")["lint"].run_id == "run-1"
    assert [each.run_id for each in store.running("backend", "key")] == ["run-2"]


def test_the_attempt_that_began_last_counts_though_an_earlier_one_ends_later(store: EvidenceStore) -> None:
    store.begin(start(run_id="slow"))
    store.begin(start(run_id="fast"))
    store.finish(record(run_id="fast"))
    assert store.running("backend", "key") == ()

    store.finish(record(run_id="slow", result=EvidenceMissing("stale")))

    assert store.latest("backend", "key")["lint"].run_id == "fast"


def test_an_attempt_that_is_made_again_in_the_same_run_is_one(store: EvidenceStore) -> None:
    store.begin(start())
    store.begin(start(second=5))
    assert store.running("backend", "key") == (start(second=5),)

    store.finish(record())

    assert store.running("backend", "key") == ()


def test_a_record_without_a_beginning_is_kept_too(store: EvidenceStore) -> None:
    store.finish(record(run_id="run-1"))
    store.finish(record(run_id="run-1", result=EvidenceMissing("once more")))

    assert store.latest("backend", "key")["lint"].result == EvidenceMissing("once more")


def test_releases_do_not_see_each_others_records(store: EvidenceStore) -> None:
    store.finish(record(key="other"))
    store.begin(replace(start(), service="frontend"))

    assert store.latest("backend", "key") == {}
    assert store.running("backend", "key") == ()


# Notes.


def test_notes_come_back_in_order_and_by_kind(store: EvidenceStore) -> None:
    notes = [
        Note("backend", "key", NOON, kind, f"{number}", {"n": number, "r": 0.5, "b": True, "s": "x", "none": None})
        for number, kind in enumerate(["rollout", "refused", "rollout"])
    ]
    for note in notes:
        store.note(note)

    assert store.notes("backend", "key") == tuple(notes)
    assert store.notes("backend", "key", "rollout") == (notes[0], notes[2])
    assert store.notes("backend", "other") == ()


def test_a_note_that_is_there_already_is_not_kept_again(store: EvidenceStore) -> None:
    first = Note("backend", "key", NOON, "not_affected", "nothing changed", {"commit": "a"})
    again = replace(first, at=NOON + timedelta(seconds=1), data={"commit": "b"})
    others = [
        replace(first, service="frontend"),
        replace(first, release_key="other"),
        replace(first, kind="cancelled"),
        replace(first, message="another"),
    ]

    assert store.note_once(first) == (first,)
    assert store.note_once(again, *others) == tuple(others)
    assert store.note_once(first, *others) == ()
    assert store.notes("backend", "key") == (first, others[2], others[3])


def test_the_newest_notes_of_a_kind_come_first(store: EvidenceStore) -> None:
    for number, service in enumerate(["backend", "frontend", "backend"]):
        store.note(Note(service, f"{number}", NOON, "not_affected", "nothing changed", {}))
        store.note(Note(service, f"{number}", NOON, "rollout", "step", {}))

    assert [note.release_key for note in store.newest_notes("not_affected")] == ["2", "1", "0"]
    assert [note.release_key for note in store.newest_notes("not_affected", "backend")] == ["2", "0"]
    assert [note.release_key for note in store.newest_notes("not_affected", limit=1)] == ["2"]
    assert store.newest_notes("absent") == ()


# Reports.


def test_several_reports_are_kept_in_their_order(store: EvidenceStore) -> None:
    raws = [RawReport(f"{number}.json", "application/json", b"%d" % (number % 7)) for number in range(20)]

    reports = store.put_reports(raws)

    assert [each.name for each in reports] == [each.name for each in raws]
    assert [store.get_report(each.digest) for each in reports] == [each.content for each in raws]
    assert store.put_reports([]) == ()


def test_a_report_comes_back_under_its_digest(store: EvidenceStore) -> None:
    content = bytes(range(256)) * 10

    report = store.put_report(RawReport("r.bin", "application/octet-stream", content))

    assert report == Report("r.bin", "application/octet-stream", f"sha256:{sha256(content).hexdigest()}", 2560)
    assert store.get_report(report.digest) == content
    assert store.put_report(RawReport("other.bin", "text/plain", content)).digest == report.digest


def test_a_report_may_be_empty(store: EvidenceStore) -> None:
    assert store.get_report(store.put_report(RawReport("r", "text/plain", b"")).digest) == b""


_HOSTILE = [
    "",
    "sha256:",
    "..",
    "../../etc/passwd",
    "sha256:../x",
    "/etc/passwd",
    "0" * 63,
    "A" * 64,
    "0" * 64 + "\n",
    "٣" * 64,
]


@pytest.mark.parametrize("digest", [*_HOSTILE, f"sha256:{'0' * 64}", f"sha512:{'0' * 64}", "sha256:sha256:" + "0" * 64])
def test_a_digest_that_names_nothing_is_not_found(store: EvidenceStore, digest: str) -> None:
    with pytest.raises(NotFound):
        store.get_report(digest)


@given(st.text(max_size=80))
def test_no_digest_leads_out_of_the_store(digest: str) -> None:
    with pytest.raises(NotFound):
        SqliteEvidenceStore(Path("/nonexistent/store")).get_report(digest)


# What only files can do.


def test_everything_is_there_for_the_next_process(tmp_path: Path) -> None:
    first = SqliteEvidenceStore(tmp_path)
    first.add_release(a_release())
    first.finish(record(result=FULL))
    digest = first.put_report(RawReport("r", "text/plain", b"hello")).digest

    second = SqliteEvidenceStore(tmp_path)

    assert second.release("backend", "key") == a_release()
    assert second.latest("backend", "key")["lint"].result == FULL
    assert second.get_report(digest) == b"hello"


class FarAway(FolderReports):
    """Answers when two ask at the same time."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.two = threading.Barrier(2, timeout=5.0)

    def put(self, content: bytes) -> str:
        self.two.wait()
        return super().put(content)


def test_several_reports_do_not_wait_for_each_other(tmp_path: Path) -> None:
    store = SqliteEvidenceStore(tmp_path, FarAway(tmp_path / "blobs"))

    assert len(store.put_reports([RawReport(f"{number}", "text/plain", b"%d" % number) for number in range(2)])) == 2


def test_a_report_that_was_changed_on_disk_is_an_error_and_not_shown(tmp_path: Path) -> None:
    store = SqliteEvidenceStore(tmp_path)
    digest = store.put_report(RawReport("r", "text/plain", b"hello")).digest
    [path] = (tmp_path / "blobs").rglob(digest.removeprefix("sha256:"))
    path.write_bytes(b"hullo")

    with pytest.raises(PipelineError, match="was changed on disk"):
        store.get_report(digest)


def test_a_report_that_was_changed_on_disk_is_mended_by_putting_it_again(tmp_path: Path) -> None:
    store = SqliteEvidenceStore(tmp_path)
    digest = store.put_report(RawReport("r", "text/plain", b"hello")).digest
    [path] = (tmp_path / "blobs").rglob(digest.removeprefix("sha256:"))
    path.write_bytes(b"hullo")

    store.put_report(RawReport("r", "text/plain", b"hello"))

    assert store.get_report(digest) == b"hello"


def test_nothing_half_written_is_left_behind(tmp_path: Path) -> None:
    store = SqliteEvidenceStore(tmp_path)

    def put(number: int) -> Report:
        return store.put_report(RawReport("r", "text/plain", b"x" * (number % 3) * 9999))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(24)))

    assert {path.name for path in (tmp_path / "blobs").rglob("*") if path.is_file()} == {
        sha256(b"x" * size * 9999).hexdigest() for size in range(3)
    }


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_could_not_be_read_back_is_not_written(tmp_path: Path, value: float) -> None:
    store = SqliteEvidenceStore(tmp_path)
    store.begin(start())

    with pytest.raises(ValueError, match="not JSON compliant"):
        store.finish(record(result=Evidence(TOOL, "odd", {"violations": value})))

    assert store.latest("backend", "key") == {}
    assert store.running("backend", "key") == (start(),)


def test_a_file_name_that_is_not_text_does_not_make_a_record_unreadable(tmp_path: Path) -> None:
    store = SqliteEvidenceStore(tmp_path)
    name = b"caf\xe9.py".decode("utf-8", "surrogateescape")
    found = Finding("S105", Severity.HIGH, "a credential", "f1", path=name)

    store.finish(record(result=replace(FULL, findings=(found,))))

    result = store.latest("backend", "key")["lint"].result
    assert isinstance(result, Evidence)
    assert result.findings[0].path == "caf\ufffd.py"


def test_writers_in_threads_lose_nothing(tmp_path: Path) -> None:
    def write(number: int) -> None:
        store = SqliteEvidenceStore(tmp_path)
        store.begin(start(f"stage_{number}"))
        store.finish(record(f"stage_{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(24)))

    assert len(SqliteEvidenceStore(tmp_path).latest("backend", "key")) == 24


def test_of_many_who_keep_the_same_note_one_is_told_that_it_is_new(tmp_path: Path) -> None:
    notes = [Note("backend", "key", NOON, "pull_request", f"event {number}", {}) for number in range(5)]

    def keep(_: int) -> tuple[Note, ...]:
        return SqliteEvidenceStore(tmp_path).note_once(*notes)

    with ThreadPoolExecutor(8) as pool:
        told = [note for kept in pool.map(keep, range(24)) for note in kept]

    assert sorted(note.message for note in told) == [note.message for note in notes]
    assert len(SqliteEvidenceStore(tmp_path).notes("backend", "key")) == 5


def test_what_was_acknowledged_survives_a_kill_in_the_middle_of_writing(tmp_path: Path) -> None:
    writer = start_writer("evidence", tmp_path, "w", 100_000)
    assert writer.stdout is not None
    seen = [writer.stdout.readline().strip() for _ in range(20)]

    writer.send_signal(signal.SIGKILL)

    told = [*seen, *acknowledged(writer)]
    kept = [note.message for note in SqliteEvidenceStore(tmp_path).notes("backend", "key")]
    assert kept[: len(told)] == told
    assert len(kept) - len(told) <= 1


# Results that may stand for a new attempt.

INPUTS = {"files": "sha256:f", "base": "sha256:b", "ruff": "1"}


def made(run_id: str = "run-1", **details: Any) -> StageRecord:
    return replace(record(run_id=run_id), **{"inputs": INPUTS, **details})


def test_a_record_is_found_again_by_its_inputs_with_and_without_the_base(store: EvidenceStore) -> None:
    exactly, but_for_base = keys_of(INPUTS)
    store.finish(made())

    assert store.reusable("backend", "lint", exactly) == made()
    assert store.reusable("backend", "lint", but_for_base) == made()


@pytest.mark.parametrize(
    ("service", "stage", "key"),
    [
        ("frontend", "lint", keys_of(INPUTS)[0]),
        ("backend", "unit_tests", keys_of(INPUTS)[0]),
        ("backend", "lint", keys_of({**INPUTS, "ruff": "2"})[0]),
    ],
)
def test_a_record_is_found_for_its_own_stage_and_inputs_alone(
    store: EvidenceStore, service: str, stage: str, key: str
) -> None:
    store.finish(made())

    assert store.reusable(service, stage, key) is None


@pytest.mark.parametrize(
    "unfit",
    [
        {"inputs": {}},
        {"result": EvidenceMissing("crashed")},
        {"reused": Reuse("earlier", "c" * 40, "run-0", NOON)},
    ],
)
def test_what_no_tool_made_is_not_found(store: EvidenceStore, unfit: dict[str, Any]) -> None:
    store.finish(made(**unfit))

    assert store.reusable("backend", "lint", keys_of(INPUTS)[0]) is None


def test_the_newest_of_several_is_found(store: EvidenceStore) -> None:
    store.finish(made("run-1"))
    store.finish(made("run-2", release_key="later"))
    store.finish(made("run-3", result=EvidenceMissing("crashed")))

    found = store.reusable("backend", "lint", keys_of(INPUTS)[0])

    assert found is not None
    assert found.run_id == "run-2"


def test_inputs_and_reuse_come_back_as_they_were_kept(store: EvidenceStore) -> None:
    kept = made(reused=Reuse("earlier", "c" * 40, "run-0", NOON))
    store.finish(kept)

    assert store.latest("backend", "key")["lint"] == kept
