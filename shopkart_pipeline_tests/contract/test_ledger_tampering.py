"""Whoever can write to a ledger's store, and has no key, changes nothing unseen: every kind of edit, drawn at random.

The attacker knows how hashes are made and makes the chain anew after his edits, edits heads as well, and does several
things at once. What verification says is proved has to be as it was written: up to the newest head that is left where
heads are looked at alone, and all of it where they are anchored elsewhere.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopkart_pipeline.adapters.sqlite_ledger import SqliteLedger
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.hash_chain import GENESIS, SignedHead, hash_of
from shopkart_pipeline.domain.ledger_head import HeadClaim, name_of
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.verify_ledger import LedgerProof, verify_ledger
from shopkart_pipeline_tests.contract.postgres import Postgres
from shopkart_pipeline_tests.contract.stored_ledgers import OpenedPostgres, OpenedSqlite, OpenedStore, Row
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor
from shopkart_pipeline_tests.fakes.memory_anchor import MemoryAnchor

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
LENGTH, SIGNED = 9, (3, 6, 8)


@dataclass(frozen=True)
class Attacked:
    """A ledger of nine entries, whose third, sixth and eighth are signed and anchored."""

    store: OpenedStore
    attestor: FakeAttestor
    anchor: MemoryAnchor
    entries: tuple[Row, ...]
    heads: tuple[Row, ...]

    def proof(self, *, anchored: bool = True) -> LedgerProof:
        return verify_ledger(self.store.ledger, self.attestor, self.anchor if anchored else None)

    def fault(self) -> str:
        found = self.proof().fault
        assert found is not None
        return found


def attacked(store: OpenedStore) -> Attacked:
    attestor, anchor, known = FakeAttestor(), MemoryAnchor(), None
    for number in range(1, LENGTH + 1):
        at, key = NOON + timedelta(seconds=number), f"r{number % 3}"
        entry = store.ledger.append(
            Act(at, "maya", ("approve", "promote")[number % 2], "backend", key, "sha256:1", {"n": str(number)})
        )
        if number in SIGNED:
            envelope = attestor.sign(HeadClaim(number, entry.entry_hash, at, name_of(known)).to_statement())
            head = SignedHead(number, entry.entry_hash, envelope.to_bytes())
            assert store.ledger.add_head(head, known.sequence if known else 0)
            anchor.put(head)
            known = head
    entries, heads = store.read()
    return Attacked(store, attestor, anchor, tuple(entries), tuple(heads))


@pytest.fixture(scope="module", name="sqlite")
def opened_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    return attacked(OpenedSqlite(tmp_path_factory.mktemp("ledger") / "ledger.db"))


@pytest.fixture(scope="module", name="database")
def opened_postgres(postgres: Postgres) -> Iterator[Attacked]:
    store = OpenedPostgres(postgres.address())
    found = attacked(store)
    store.open()
    yield found
    store.close()


# What an attacker does.

_NUMBERS = st.integers(0, 400)
_EDIT = st.tuples(st.just("edit"), _NUMBERS, _NUMBERS, _NUMBERS, st.sampled_from('0aZ \0"é'))
_MOVE = st.tuples(st.sampled_from(["delete", "copy", "swap", "cut", "renumber", "blank"]), _NUMBERS, _NUMBERS)
_STEP = st.one_of(_EDIT, _MOVE)


def carry_out(rows: list[Row], step: tuple[object, ...]) -> list[Row]:
    """One edit of a table."""
    match step:
        case ("edit", int(row), int(column), int(place), str(letter)) if rows:
            row, column = row % len(rows), column % len(rows[0])
            return [*rows[:row], _edited(rows[row], column, place, letter), *rows[row + 1 :]]
        case ("delete", int(row), _) if rows:
            row %= len(rows)
            return [*rows[:row], *rows[row + 1 :]]
        case ("copy", int(row), int(to)) if rows:
            to %= len(rows) + 1
            return _renumbered([*rows[:to], rows[row % len(rows)], *rows[to:]])
        case ("swap", int(one), int(other)) if rows:
            one, other = one % len(rows), other % len(rows)
            swapped = list(rows)
            swapped[one], swapped[other] = (rows[one][0], *rows[other][1:]), (rows[other][0], *rows[one][1:])
            return swapped
        case ("cut", int(row), _) if rows:
            return rows[: row % len(rows)]
        case ("renumber", int(row), int(by)) if rows:
            return [(each[0] + by - 200, *each[1:]) if at >= row % len(rows) else each for at, each in enumerate(rows)]
        case ("blank", int(row), int(column)) if rows:
            row, column = row % len(rows), 1 + column % (len(rows[0]) - 1)
            return [*rows[:row], (*rows[row][:column], "", *rows[row][column + 1 :]), *rows[row + 1 :]]
        case _:
            return rows


def _edited(row: Row, column: int, place: int, letter: str) -> Row:
    value = row[column]
    if isinstance(value, int):
        changed: object = value + place - 200
    elif isinstance(value, bytes):
        place %= len(value) or 1
        changed = value[:place] + letter.encode() + value[place + 1 :]
    else:
        place %= len(value) or 1
        changed = value[:place] + letter + value[place + 1 :]
    return (*row[:column], changed, *row[column + 1 :])


def _renumbered(rows: list[Row]) -> list[Row]:
    return [(number, *row[1:]) for number, row in enumerate(rows, start=1)]


def made_anew(rows: list[Row]) -> list[Row]:
    """The same documents with numbers and hashes that fit."""
    previous, chained = GENESIS, list[Row]()
    for number, row in enumerate(rows, start=1):
        document = str(row[-3])
        entry_hash = hash_of(number, document, previous)
        chained.append((number, *row[1:-3], document, previous, entry_hash))
        previous = entry_hash
    return chained


def check(
    world: Attacked, steps: list[tuple[object, ...]], of_heads: list[tuple[object, ...]], *, anew: bool, anchored: bool
) -> None:
    entries, heads = list(world.entries), list(world.heads)
    for step in steps:
        entries = carry_out(entries, step)
    entries = made_anew(entries) if anew else entries
    for step in of_heads:
        heads = carry_out(heads, step)
    if not world.store.write(entries, heads):
        return  # The database itself refuses.
    try:
        proof = world.proof(anchored=anchored)
    finally:
        assert world.store.write(world.entries, world.heads)
    if proof.fault is None:
        proved = proof.proved.sequence if proof.proved else 0
        assert tuple(entries[:proved]) == world.entries[:proved]
        assert proved == SIGNED[-1] if anchored else proved in (0, *SIGNED)
        assert proved == 0 or len(entries) >= proved


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_STEP, max_size=3), st.lists(_STEP, max_size=2), st.booleans(), st.booleans())
def test_no_edit_of_a_file_is_unseen(
    sqlite: Attacked,
    steps: list[tuple[object, ...]],
    of_heads: list[tuple[object, ...]],
    anew: bool,
    anchored: bool,
) -> None:
    check(sqlite, steps, of_heads, anew=anew, anchored=anchored)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_STEP, max_size=3), st.lists(_STEP, max_size=2), st.booleans(), st.booleans())
def test_no_edit_of_a_database_is_unseen(
    database: Attacked,
    steps: list[tuple[object, ...]],
    of_heads: list[tuple[object, ...]],
    anew: bool,
    anchored: bool,
) -> None:
    check(database, steps, of_heads, anew=anew, anchored=anchored)


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Attacked, Path]:
    """A ledger, and a copy of its file that nobody has open."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    world = attacked(OpenedSqlite(path))
    copy = path.with_name("copy.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    return world, copy


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_no_byte_of_the_file_can_be_changed_unseen(
    at_rest: tuple[Attacked, Path], tmp_path: Path, place: float, change: int
) -> None:
    world, path = at_rest
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= change
    folder = Path(mkdtemp(dir=tmp_path))
    (folder / "ledger.db").write_bytes(content)
    ledger = SqliteLedger(folder / "ledger.db")

    try:
        proof = verify_ledger(ledger, world.attestor, world.anchor)
    except ToolUnavailable:
        return  # SQLite can't read it, which is told.
    if proof.fault is None:
        assert proof.proved is not None
        assert (proof.proved.sequence, proof.last) == (SIGNED[-1], LENGTH)
        stored = ledger.stored(None, 100)
        assert [entry.document for entry in stored] == [row[3] for row in world.entries]


# Which one is named.


@pytest.fixture(params=["sqlite", "database"])
def world(request: pytest.FixtureRequest) -> Iterator[Attacked]:
    found: Attacked = request.getfixturevalue(request.param)
    yield found
    assert found.store.write(found.entries, found.heads)
    assert found.proof().fault is None


def test_a_ledger_that_nobody_touched_is_proved_up_to_its_newest_head(world: Attacked) -> None:
    proof = world.proof()

    assert (proof.fault, proof.last, proof.unsigned) == (None, LENGTH, 1)
    assert proof.proved is not None
    assert (proof.proved.sequence, proof.proved.signed_at) == (8, NOON + timedelta(seconds=8))
    assert proof.anchored is not None
    assert proof.anchored.sequence == 8


def test_a_chain_that_was_made_anew_is_betrayed_by_the_next_head(world: Attacked) -> None:
    entries = carry_out(list(world.entries), ("edit", 4, -3 % len(world.entries[0]), 10, "X"))
    assert world.store.write(made_anew(entries), world.heads)

    told = "one of entries 4 to 6 was changed, removed or put in since entry 6 was signed on 2026-11-27 at 12:00:06 UTC"
    assert world.fault() == told


def test_the_newest_entries_are_missed_when_their_head_is_still_there(world: Attacked) -> None:
    assert world.store.write(world.entries[:6], world.heads)

    assert world.fault() == "entry 7 is missing: entry 8 was signed on 2026-11-27 at 12:00:08 UTC"


def test_entries_that_were_taken_away_with_their_heads_are_missed_by_the_anchor_alone(world: Attacked) -> None:
    assert world.store.write(world.entries[:7], world.heads[:2])

    assert world.fault() == "entry 8 is missing: entry 8 is anchored in elsewhere"
    without = world.proof(anchored=False)
    assert without.fault is None
    assert without.proved is not None
    assert without.proved.sequence == 6


def test_a_head_that_was_taken_from_between_is_missed_by_the_next(world: Attacked) -> None:
    assert world.store.write(world.entries, (world.heads[0], world.heads[2]))

    found = world.proof(anchored=False).fault
    assert found == "the signed head of entry 8 does not follow that of entry 3: one was taken away"


def test_a_head_of_a_stranger_is_no_head(world: Attacked) -> None:
    number, entry_hash, _ = world.heads[2]
    claim = HeadClaim(number, entry_hash, NOON, name_of(SignedHead(*world.heads[1])))
    forged = FakeAttestor().sign(claim.to_statement()).to_bytes()
    assert world.store.write(world.entries, (*world.heads[:2], (number, entry_hash, forged)))

    assert world.fault().startswith("the signed head of entry 8 is not one that counts: No trusted key")


def test_a_head_can_not_stand_for_another_entry(world: Attacked) -> None:
    last = world.entries[-1]
    moved = (last[0], last[-1], world.heads[2][2])
    assert world.store.write(world.entries, (*world.heads[:2], moved))

    found = world.proof(anchored=False).fault or ""
    assert found.startswith("the signed head of entry 9 is not one that counts: It was signed for entry 8")


def test_an_anchor_in_which_a_stranger_wrote_is_told(world: Attacked) -> None:
    mark = world.anchor.marks()[-1]
    kept = world.anchor.kept.copy()
    stranger = FakeAttestor().sign(HeadClaim(mark.sequence, mark.entry_hash, NOON, "none").to_statement())
    world.anchor.kept[mark] = SignedHead(mark.sequence, mark.entry_hash, stranger.to_bytes())
    try:
        assert world.fault().startswith("what elsewhere holds as the head of entry 8 is not one that counts")
    finally:
        world.anchor.kept = kept


def test_what_is_before_the_first_one_is_not_looked_at(world: Attacked) -> None:
    entries = carry_out(list(world.entries), ("edit", 0, -3 % len(world.entries[0]), 10, "X"))
    assert world.store.write(entries, world.heads)

    proof = verify_ledger(world.store.ledger, world.attestor, world.anchor, first=5)
    assert (proof.fault, proof.first, proof.last) == (None, 5, LENGTH)
    assert world.fault() == "entry 1 was changed"


def test_without_keys_the_chain_is_looked_at_alone(world: Attacked) -> None:
    proof = verify_ledger(world.store.ledger, None, world.anchor)

    assert (proof.fault, proof.proved, proof.anchored, proof.unsigned) == (None, None, None, LENGTH)


def test_an_index_that_hides_an_entry_is_found(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    world = attacked(OpenedSqlite(path))

    def schema(statement: str, *values: object) -> list[Row]:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("PRAGMA writable_schema=ON")
            return connection.execute(statement, values).fetchall()

    [index] = schema("SELECT * FROM sqlite_master WHERE name = 'entries_by_release'")
    schema("DELETE FROM sqlite_master WHERE name = 'entries_by_release'")
    with closing(sqlite3.connect(path)) as connection, connection:
        row = made_anew([*world.entries, world.entries[0]])[-1]
        connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", row)
    schema("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", *index)

    # Whoever asks for the release's entries would not be told of the last one.
    assert len(SqliteLedger(path).entries("backend", "r1")) == 3
    found = verify_ledger(SqliteLedger(path), world.attestor).fault
    assert found == "the file's own structure was changed: row 10 missing from index entries_by_release"
