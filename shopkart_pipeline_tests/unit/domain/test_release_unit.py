"""What is another release unit, and what is not."""

from dataclasses import fields, make_dataclass, replace
from typing import Any

import pytest

from shopkart_pipeline.domain.pod import Autoscale, PodRequirements, Resources, Route, RouteKind, SecretReference
from shopkart_pipeline.domain.release_unit import ReleaseUnit, configuration_digest
from shopkart_pipeline.domain.workload import WorkloadSpec
from shopkart_pipeline_tests.rendered_manifests import EVERYTHING, PLAIN

_AROUND: dict[str, Any] = {
    "digest": "sha256:other",
    "repository": "backend",
    "release_key": "another",
    "commit": "2" * 40,
    "replicas": 17,
    "autoscale": Autoscale(2, 9, 50),
    "route": Route(RouteKind.GATEWAY, "edge/shop"),
}
_CONFIGURATION: dict[str, Any] = {
    "command": ("python", "-m", "another"),
    "variables": {**PLAIN.variables, "DEBUG": "yes"},
    "probes": replace(PLAIN.probes, readiness_path="/other"),
    "metrics_path": "/other",
    "drain_seconds": 11.0,
    "pod": PodRequirements(resources=Resources(cpu="1")),
    "own_manifests": "[]",
}


def test_every_field_of_a_workload_is_on_one_side() -> None:
    assert {field.name for field in fields(WorkloadSpec)} == {*_AROUND, *_CONFIGURATION}


@pytest.mark.parametrize("name", _CONFIGURATION)
def test_what_changes_what_runs_is_another_configuration(name: str) -> None:
    assert replace(PLAIN, **{name: _CONFIGURATION[name]}).configuration != PLAIN.configuration


@pytest.mark.parametrize("name", _AROUND)
def test_how_many_and_how_they_are_reached_is_no_configuration(name: str) -> None:
    assert replace(PLAIN, **{name: _AROUND[name]}).configuration == PLAIN.configuration


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({}, ()),
        ({"replicas": 9}, ()),
        ({"variables": {**PLAIN.variables, "DEBUG": "yes", "NEW": "1"}}, ("variables.DEBUG", "variables.NEW")),
        ({"variables": {}}, ("variables.DEBUG", "variables.FRONTEND_URL", "variables.REDIS_URL")),
        ({"probes": replace(PLAIN.probes, readiness_path="/other")}, ("probes.readiness_path",)),
        ({"pod": PodRequirements(resources=Resources(cpu="1"))}, ("pod.resources.cpu",)),
        ({"own_manifests": "[]"}, ("own_manifests",)),
    ],
)
def test_what_is_configured_otherwise_is_named(change: dict[str, Any], named: tuple[str, ...]) -> None:
    changed = replace(PLAIN, **change)

    assert changed.changed_since(PLAIN) == PLAIN.changed_since(changed) == named
    assert bool(named) == (changed.configuration != PLAIN.configuration)


def test_the_version_of_a_secret_is_part_of_the_unit() -> None:
    newer = {"API_TOKEN": SecretReference("", "shop/token", "vault", "8")}
    changed = replace(EVERYTHING, pod=replace(EVERYTHING.pod, secrets={**EVERYTHING.pod.secrets, **newer}))

    assert not changed.unit.is_same(EVERYTHING.unit)


def test_a_field_that_a_later_version_adds_changes_no_configuration_until_it_is_used() -> None:
    told = [(field.name, field.type, field) for field in fields(WorkloadSpec)]
    values = {field.name: getattr(PLAIN, field.name) for field in fields(WorkloadSpec)}
    later = make_dataclass("Later", [*told, ("added", str, "unsaid")], frozen=True)
    leaving = frozenset(_AROUND)

    assert configuration_digest(later(**values), leaving) == PLAIN.configuration
    assert configuration_digest(later(**values, added="said"), leaving) != PLAIN.configuration


def test_what_is_not_known_of_a_unit_tells_none_apart() -> None:
    known, other, old = (
        ReleaseUnit("sha256:a", "sha256:x"),
        ReleaseUnit("sha256:a", "sha256:y"),
        ReleaseUnit("sha256:a"),
    )

    assert [known.is_same(each) for each in (known, other, old, ReleaseUnit("sha256:b"), None)] == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_a_configuration_is_named_where_the_image_tells_nothing_apart() -> None:
    found, other = ReleaseUnit("sha256:a", "sha256:0123456789abcdef"), ReleaseUnit("sha256:a", "sha256:y")

    assert found.told_beside(ReleaseUnit("sha256:b")) == "sha256:a"
    assert found.told_beside(None, other) == "sha256:a with configuration 0123456789ab"
