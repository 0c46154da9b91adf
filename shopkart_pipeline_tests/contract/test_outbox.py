"""What every outbox owes its callers: one suite over the fake, SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.postgres_outbox import PostgresOutbox
from shopkart_pipeline.adapters.sqlite_outbox import SqliteOutbox
from shopkart_pipeline.domain.notice import (
    Annotation,
    AnnotationLevel,
    CheckNotice,
    CheckStatus,
    CommentNotice,
    Conclusion,
    DeploymentNotice,
    DeploymentState,
    Notice,
    ScanNotice,
)
from shopkart_pipeline.ports.outbox import Outbox
from shopkart_pipeline_tests.fakes.memory_outbox import MemoryOutbox

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
REPOSITORY, SHA = "shopkart/storefront", "a" * 40
CHECK = CheckNotice(REPOSITORY, SHA, "backend / lint", CheckStatus.IN_PROGRESS, None, "runs", "…", started_at=NOON)
DONE = replace(
    CHECK,
    status=CheckStatus.COMPLETED,
    conclusion=Conclusion.FAILURE,
    annotations=(Annotation("a b/ü.py", 3, AnnotationLevel.FAILURE, "S105", 'a "credential" ✓'),),
    completed_at=NOON + MINUTE,
)
DEPLOYMENT = DeploymentNotice(
    REPOSITORY, SHA, "backend", "key", "production", True, DeploymentState.IN_PROGRESS, "10 %", "run-1"
)
COMMENT = CommentNotice(REPOSITORY, 7, "| stage | result |")
SCAN = ScanNotice(REPOSITORY, SHA, "refs/heads/main", "shopkart/backend", "sha256:x")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Outbox:
    match request.param:
        case "memory":
            return MemoryOutbox()
        case "sqlite":
            return SqliteOutbox(tmp_path / "below" / "outbox.db")
        case _:
            return PostgresOutbox(request.getfixturevalue("stores"))


def notices(outbox: Outbox, now: datetime = NOON) -> list[Notice]:
    return [each.notice for each in outbox.pending(now)]


@pytest.mark.parametrize("notice", [CHECK, DONE, DEPLOYMENT, COMMENT, SCAN])
def test_a_notice_comes_back_as_it_was_put(outbox: Outbox, notice: Notice) -> None:
    outbox.put([notice], NOON)

    [outgoing] = outbox.pending(NOON)

    assert outgoing.notice == notice
    assert (outgoing.attempts, outgoing.remote_id) == (0, None)


def test_notices_about_different_things_are_pending_in_order(outbox: Outbox) -> None:
    for notice in (COMMENT, CHECK, DEPLOYMENT):
        outbox.put([notice], NOON)

    assert notices(outbox) == [COMMENT, CHECK, DEPLOYMENT]


def test_what_waits_is_counted(outbox: Outbox) -> None:
    assert outbox.waiting() == 0
    outbox.put([CHECK, COMMENT, DEPLOYMENT], NOON)
    arrived, lost, _ = outbox.pending(NOON)
    outbox.sent(arrived.sequence, "4711", NOON)
    outbox.give_up(lost.sequence, "refused", NOON)
    assert outbox.waiting() == 1


def test_of_one_thing_the_newest_notice_counts(outbox: Outbox) -> None:
    for notice in (CHECK, COMMENT, DONE):
        outbox.put([notice], NOON)

    assert notices(outbox) == [COMMENT, DONE]


def test_what_was_sent_is_not_pending_and_its_thing_is_known_by_its_name(outbox: Outbox) -> None:
    outbox.put([CHECK], NOON)
    [first] = outbox.pending(NOON)
    outbox.sent(first.sequence, "4711", NOON)
    assert outbox.pending(NOON) == ()

    outbox.put([DONE], NOON)

    [second] = outbox.pending(NOON)
    assert (second.notice, second.remote_id) == (DONE, "4711")


def test_a_notice_that_came_while_an_older_one_was_sent_is_still_sent(outbox: Outbox) -> None:
    outbox.put([CHECK], NOON)
    [first] = outbox.pending(NOON)
    outbox.put([DONE], NOON)

    outbox.sent(first.sequence, "4711", NOON)

    assert notices(outbox) == [DONE]


def test_the_same_news_again_is_no_news(outbox: Outbox) -> None:
    outbox.put([CHECK], NOON)
    [first] = outbox.pending(NOON)
    outbox.sent(first.sequence, "4711", NOON)

    outbox.put([CHECK], NOON + MINUTE)

    assert outbox.pending(NOON) == ()


def test_going_back_to_an_earlier_state_is_news(outbox: Outbox) -> None:
    for notice in (CHECK, DONE, CHECK):
        outbox.put([notice], NOON)
        [outgoing] = outbox.pending(NOON)
        outbox.sent(outgoing.sequence, "4711", NOON)

    outbox.put([DONE], NOON)

    assert notices(outbox) == [DONE]


def test_tries_are_counted_before_they_are_made(outbox: Outbox) -> None:
    outbox.put([CHECK], NOON)
    [outgoing] = outbox.pending(NOON)

    outbox.trying(outgoing.sequence)

    assert outbox.pending(NOON)[0].attempts == 1


def test_newer_news_of_a_thing_that_may_have_arrived_is_known_to_have_been_tried(outbox: Outbox) -> None:
    outbox.put([CHECK], NOON)
    outbox.trying(outbox.pending(NOON)[0].sequence)
    outbox.put([DONE], NOON)
    [newer] = outbox.pending(NOON)
    assert (newer.notice, newer.attempts) == (DONE, 1)

    outbox.sent(newer.sequence, "4711", NOON)
    outbox.put([CHECK], NOON)

    assert outbox.pending(NOON)[0].attempts == 0


def test_what_is_postponed_holds_nothing_else_up(outbox: Outbox) -> None:
    outbox.put([CHECK], NOON)
    outbox.put([COMMENT], NOON)
    outbox.postpone(outbox.pending(NOON)[0].sequence, NOON + MINUTE, "502")

    assert notices(outbox) == [COMMENT]
    assert notices(outbox, NOON + MINUTE) == [CHECK, COMMENT]


def test_newer_news_of_a_postponed_thing_may_be_tried_at_once(outbox: Outbox) -> None:
    outbox.put([CHECK], NOON)
    outbox.postpone(outbox.pending(NOON)[0].sequence, NOON + MINUTE, "502")

    outbox.put([DONE], NOON)

    assert notices(outbox) == [DONE]


def test_a_rest_holds_for_everything(outbox: Outbox) -> None:
    outbox.put([CHECK], NOON)
    outbox.pause(NOON + MINUTE, "rate limit")

    assert notices(outbox) == []
    assert notices(outbox, NOON + MINUTE) == [CHECK]


def test_what_is_given_up_is_not_sent_and_can_be_looked_at(outbox: Outbox) -> None:
    outbox.put([CHECK], NOON)
    outbox.put([COMMENT], NOON)

    outbox.give_up(outbox.pending(NOON)[0].sequence, "422: no such commit", NOON)

    assert notices(outbox) == [COMMENT]
    assert outbox.abandoned() == ((CHECK, "422: no such commit"),)


def test_no_more_are_handed_out_than_asked_for(outbox: Outbox) -> None:
    for number in range(5):
        outbox.put([replace(COMMENT, number=number + 1)], NOON)

    assert [each.notice for each in outbox.pending(NOON, limit=2)] == [replace(COMMENT, number=n) for n in (1, 2)]


def test_one_sends_at_a_time_and_a_turn_ends_by_itself(outbox: Outbox) -> None:
    assert outbox.take_turn("one", NOON + MINUTE, NOON)
    assert outbox.take_turn("one", NOON + MINUTE, NOON)
    assert not outbox.take_turn("two", NOON + MINUTE, NOON)

    assert outbox.take_turn("two", NOON + 2 * MINUTE, NOON + MINUTE)


def test_a_turn_is_given_back_by_its_holder_alone(outbox: Outbox) -> None:
    outbox.take_turn("one", NOON + MINUTE, NOON)
    outbox.end_turn("two")
    assert not outbox.take_turn("two", NOON + MINUTE, NOON)

    outbox.end_turn("one")

    assert outbox.take_turn("two", NOON + MINUTE, NOON)


def test_everything_is_there_for_the_next_process(tmp_path: Path) -> None:
    first = SqliteOutbox(tmp_path / "outbox.db")
    first.put([CHECK], NOON)
    first.trying(first.pending(NOON)[0].sequence)
    first.pause(NOON + MINUTE, "rate limit")

    second = SqliteOutbox(tmp_path / "outbox.db")

    assert notices(second) == []
    assert [each.attempts for each in second.pending(NOON + MINUTE)] == [1]


def test_notices_that_are_put_together_keep_their_order(outbox: Outbox) -> None:
    outbox.put([DEPLOYMENT, CHECK, DONE, COMMENT], NOON)

    assert notices(outbox) == [DEPLOYMENT, DONE, COMMENT]


def test_what_was_settled_long_ago_is_forgotten_and_what_waits_is_not(outbox: Outbox) -> None:
    outbox.put([CHECK, COMMENT, SCAN], NOON)
    check, _, scan = outbox.pending(NOON)
    outbox.sent(check.sequence, "1", NOON)
    outbox.give_up(scan.sequence, "code scanning is off", NOON)

    assert outbox.forget(NOON) == 0
    assert outbox.forget(NOON + MINUTE) == 2

    assert notices(outbox) == [COMMENT]
    assert outbox.abandoned() == ()
    outbox.put([CHECK], NOON)
    assert [(each.notice, each.remote_id) for each in outbox.pending(NOON)] == [(COMMENT, None), (CHECK, None)]
