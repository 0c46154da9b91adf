"""What limits builds: the part of which there is least for what a build takes."""

from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.capacity import BuildCost, Cluster, Machine, Queues, Tools, on_kubernetes, on_one_machine

COST = BuildCost(2.0, 1.0, 10.0, 5.0, 400.0, 1e6, 2.0)
NO_TOOLS, QUEUES = Tools(0.0, 1.0), Queues(services=100, runs=6)
CLUSTER = Cluster(96.0, 2.0, 10.0, 400.0, 2.0, 3000.0, 1e8)


def test_the_bottleneck_comes_first() -> None:
    first, *others = on_one_machine(COST, NO_TOOLS, QUEUES, Machine(2.0, 200.0))

    assert (first.part, first.builds_per_hour, first.formula) == ("processor", 3600.0, "2 / 2")
    assert all(each.builds_per_hour >= first.builds_per_hour for each in others)


def test_tools_take_processor_and_hold_the_place() -> None:
    limits = on_one_machine(COST, Tools(99.0, 2.0), QUEUES, Machine(2.0, 200.0))

    by_part = {each.part: each.builds_per_hour for each in limits}
    assert by_part["processor"] == 36.0
    assert by_part["places (`concurrency.runs`)"] == 216.0
    assert by_part["a queue for each service"] == 3600.0


def test_one_service_builds_one_after_another() -> None:
    first, *_ = on_kubernetes(COST, Tools(585.0, 1.0), replace(QUEUES, services=1), CLUSTER)

    assert (first.part, first.builds_per_hour) == ("a queue for each service", 6.0)


@given(st.sampled_from([field.name for field in fields(BuildCost)]), st.floats(1.0, 1000.0))
def test_a_build_that_takes_more_is_never_built_more_often(taken: str, times: float) -> None:
    dearer = replace(COST, **{taken: getattr(COST, taken) * times})

    cheap, dear = (on_kubernetes(cost, NO_TOOLS, QUEUES, CLUSTER)[0] for cost in (COST, dearer))
    assert dear.builds_per_hour <= cheap.builds_per_hour
