"""A rolling update keeps its promises whatever becomes of the replicas meanwhile."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.adapters.local_cluster.reconcile import Change, next_change
from shopkart_pipeline.adapters.local_cluster.state import ReplicaRecord
from shopkart_pipeline_tests.unit.adapters.local_cluster.replicas import V1, V2, a_replica


def test_a_first_deployment_starts_all_replicas_at_once() -> None:
    assert next_change(V1, []) == Change(add=2)


def test_nothing_is_done_where_everything_is_as_wanted() -> None:
    assert next_change(V1, [a_replica(1), a_replica(2)]) == Change()


def test_an_update_begins_with_one_replica_more() -> None:
    assert next_change(V2, [a_replica(1), a_replica(2)]) == Change(add=1)


def test_no_old_replica_leaves_before_a_new_one_serves() -> None:
    assert next_change(V2, [a_replica(1), a_replica(2), a_replica(3, V2, serves=False)]) == Change()


def test_an_old_replica_leaves_for_a_new_one_and_the_next_is_added() -> None:
    change = next_change(V2, [a_replica(1), a_replica(2), a_replica(3, V2)])
    assert change == Change(add=1, release=("stable-2",))


def test_an_old_replica_that_does_not_serve_leaves_first() -> None:
    change = next_change(V2, [a_replica(1, serves=False), a_replica(2), a_replica(3, V2)])
    assert change.release == ("stable-1",)


def test_going_back_lets_the_broken_replica_go_at_once() -> None:
    assert next_change(V1, [a_replica(1), a_replica(2), a_replica(3, V2, serves=False)]).release == ("stable-3",)


def test_replicas_that_are_leaving_are_nobodys_concern() -> None:
    assert next_change(V1, [a_replica(1), a_replica(2), a_replica(3, leaving=True)]) == Change()


def test_fewer_are_wanted_and_the_youngest_leaves() -> None:
    assert next_change(replace(V1, replicas=1), [a_replica(1), a_replica(2)]) == Change(release=("stable-2",))


def test_a_track_that_is_not_wanted_leaves_as_a_whole() -> None:
    assert next_change(None, [a_replica(1), a_replica(2, V2)]) == Change(release=("stable-1", "stable-2"))


@given(st.data())
def test_availability_and_surge_hold_on_every_way_through_an_update(data: st.DataObject) -> None:
    wanted = replace(V2, replicas=data.draw(st.integers(1, 4)))
    replicas = [a_replica(number) for number in range(wanted.replicas)]
    number = len(replicas)
    for _ in range(100):
        change = next_change(wanted, replicas)
        replicas = [one for one in replicas if one.name not in change.release]
        assert sum(one.serves for one in replicas) >= wanted.replicas
        for _ in range(change.add):
            number += 1
            replicas.append(a_replica(number, wanted, serves=False))
        assert len(replicas) <= wanted.replicas + 1
        # Of those that don't serve yet, some do now.
        replicas = [one if one.serves or data.draw(st.booleans()) else _serving(one) for one in replicas]
        if len(replicas) == wanted.replicas and all(one.serves and one.runs(wanted) for one in replicas):
            break
    else:
        raise AssertionError("the update does not end")
    assert next_change(wanted, replicas) == Change()


def _serving(replica: ReplicaRecord) -> ReplicaRecord:
    return replace(replica, ready=True, routed=True)
