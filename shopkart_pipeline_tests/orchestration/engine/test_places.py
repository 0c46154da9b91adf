"""Which run may start next, and the laws that hold whatever comes in whatever order."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.engine.places import (
    ENVIRONMENT_TAG,
    GROUP_TAG,
    NO_LIMIT,
    SERVICE_TAG,
    RunLimits,
    groups_of,
    next_to_start,
)


@dataclass(frozen=True)
class Run:
    name: str
    queue: str = ""
    group: str = ""


LIMITS = RunLimits(2, {"pull_requests": 1})


def test_without_queues_the_first_that_waits_is_next_while_a_place_is_free() -> None:
    first, second, third = Run("1"), Run("2"), Run("3")

    assert next_to_start([first, second], [], LIMITS) == first
    assert next_to_start([third], [first], LIMITS) == third
    assert next_to_start([third], [first, second], LIMITS) is None
    assert next_to_start([], [], LIMITS) is None


def test_a_run_waits_for_the_one_before_it_in_its_queue_and_keeps_nobody_else_waiting() -> None:
    at_work, waiting, other = Run("1", "backend:ci"), Run("2", "backend:ci"), Run("3", "frontend:ci")

    assert next_to_start([waiting, other], [at_work], LIMITS) == other


def test_pull_requests_leave_places_to_merges() -> None:
    at_work, waiting, merge = Run("1", "", "pull_requests"), Run("2", "", "pull_requests"), Run("3")

    assert next_to_start([waiting, merge], [at_work], LIMITS) == merge


def test_a_run_that_its_group_keeps_back_keeps_its_queue_back() -> None:
    at_work = [Run("1", "a", "pull_requests")]
    waiting = [Run("2", "b", "pull_requests"), Run("3", "b"), Run("4", "c")]

    assert next_to_start(waiting, at_work, LIMITS) == waiting[2]


def test_a_rollback_waits_for_no_place_and_takes_none() -> None:
    busy = [Run("1"), Run("2")]
    rollback = Run("3", "", NO_LIMIT)

    assert next_to_start([Run("4"), rollback], busy, LIMITS) == rollback
    assert next_to_start([Run("4")], [Run("1"), rollback], LIMITS) == Run("4")


def test_a_run_waits_for_each_of_its_groups_and_a_rollback_of_the_same_service_for_none() -> None:
    limits = RunLimits(6, {"environment:production": 1, "service:backend": 2})
    production = {ENVIRONMENT_TAG: "production"}
    first = Run("1", "", groups_of({SERVICE_TAG: "backend", **production}))
    build = Run("2", "", groups_of({SERVICE_TAG: "backend"}))
    other = Run("3", "", groups_of({SERVICE_TAG: "frontend", **production}))
    third = Run("4", "", groups_of({SERVICE_TAG: "backend", GROUP_TAG: "pull_requests"}))
    elsewhere = Run("5", "", groups_of({SERVICE_TAG: "frontend"}))
    rollback = Run("6", "", groups_of({SERVICE_TAG: "backend", GROUP_TAG: NO_LIMIT, **production}))

    assert next_to_start([other, build], [first], limits) == build
    assert next_to_start([other, third, elsewhere], [first, build], limits) == elsewhere
    assert next_to_start([other, rollback], [first, build], limits) == rollback
    assert next_to_start([other], [rollback], limits) == other


_KINDS = st.tuples(
    st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["", "pull_requests", "pull_requests x", NO_LIMIT])
)


@given(st.lists(_KINDS, max_size=20), st.integers(1, 4), st.integers(1, 3), st.randoms(use_true_random=False))
def test_all_runs_end_in_order_within_their_limits(
    kinds: list[tuple[str, str]], runs: int, pull_requests: int, random: object
) -> None:
    limits = RunLimits(runs, {"pull_requests": pull_requests})
    waiting = [Run(str(number), queue, group) for number, (queue, group) in enumerate(kinds)]
    at_work, started = list[Run](), list[Run]()
    while waiting or at_work:
        while run := next_to_start(waiting, at_work, limits):
            waiting.remove(run)
            at_work.append(run)
            started.append(run)
            assert len({each.queue for each in at_work if each.queue}) == len([e for e in at_work if e.queue])
            assert len([each for each in at_work if each.group != NO_LIMIT]) <= runs
            assert len([each for each in at_work if "pull_requests" in each.group]) <= pull_requests
        assert at_work, "nothing runs, and something waits"
        at_work.remove(random.choice(at_work))  # pyright: ignore[reportAttributeAccessIssue]
    for queue in "abc":
        numbers = [int(run.name) for run in started if run.queue == queue]
        assert numbers == sorted(numbers)
    assert len(started) == len(kinds)
