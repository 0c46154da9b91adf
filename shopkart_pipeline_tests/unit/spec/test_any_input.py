"""Whatever stands in the file: a pipeline or faults come out, and each fault is at its own line."""

import copy
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopkart_pipeline_tests.unit.spec.declarations import faults_of, written

TREE: dict[str, Any] = {
    "version": 1,
    "defaults": {
        "owners": ["team:shop"],
        "source": {"repository": "shopkart/shop", "branch": "main"},
        "environments": {"production": {"approvals": {"required": 1, "approvers": ["team:captains"]}}},
    },
    "teams": {"captains": ["maya@shopkart.example"]},
    "services": {
        "catalog": {
            "source": {"path": "catalog", "shared_paths": ["lib"]},
            "stages": {
                "lint": {"timeout": "5m", "needs": ["source"]},
                "load": {"phase": "staging", "command": ["make"], "timeout": 30},
            },
            "gates": {
                "quality": {"new_coverage_percent": {"at_least": 90}},
                "lint": {"low": {"findings": "low", "at_most": 3, "only_new": False}},
            },
            "workload": {
                "command": ["python"],
                "port": 8080,
                "drain": "10s",
                "health": {"startup": "/up"},
                "variables": {"A": "{redis_url}"},
            },
            "environments": {
                "production": {
                    "replicas": 3,
                    "canary": [{"weight": 10, "bake": "3s"}, {"weight": 50, "bake": 3}],
                    "deadline": "5m",
                    "objectives": {"error_ratio": {"at_most": 0.01, "window": "60s"}},
                    "analysis": {"minimum_effect": 2.5},
                }
            },
        },
        "web": {"workload": {"command": ["python"]}, "depends_on": ["catalog"]},
    },
    "environments": {"staging": {"platform": "local"}, "production": {"phase": "production"}},
    "schedules": {"reconcile": "*/5 * * * *"},
    "retention": {"live_releases": 100},
    "concurrency": {"runs": 2, "pull_requests": 1, "per_service": 2, "environments": {"production": 1}},
}


def _leaves(node: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    return [leaf for key, value in items for leaf in _leaves(value, (*path, key))] if items else [path]


def _nodes(node: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    return [path, *(found for key, value in items for found in _nodes(value, (*path, key)))] if path or items else []


def _at(tree: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


LEAVES = _leaves(TREE)
NODES = [path for path in _nodes(TREE) if path]
MAPPINGS = [path for path in NODES if path not in LEAVES and not isinstance(_at(TREE, path), list)]
WRONG = {"not": ["of", "any", {"type": "that"}]}
"""No key of the declaration takes this."""
PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
TREES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
QUICK = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def folder() -> Any:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _replaced(tree: Any, path: tuple[str | int, ...], value: Any) -> None:
    _at(tree, path[:-1])[path[-1]] = value


def test_the_tree_itself_is_valid(folder: Path) -> None:
    assert faults_of(folder, written(TREE)[0]) == ()


@QUICK
@given(text=st.text(max_size=300))
def test_any_text_gives_faults(folder: Path, text: str) -> None:
    assert faults_of(folder, text.encode("utf-8", "surrogatepass"))


@QUICK
@given(content=st.binary(max_size=300))
def test_any_bytes_give_faults(folder: Path, content: bytes) -> None:
    assert faults_of(folder, content)


@QUICK
@given(cut=st.integers(min_value=0, max_value=3000), put=st.text(alphabet="{}[]:-#&*!|>'\"%@`\t\n ,ab1", max_size=6))
def test_text_that_is_damaged_in_any_place_is_loaded_or_refused(folder: Path, cut: int, put: str) -> None:
    text, _ = written(TREE)
    cut = min(cut, len(text))
    for fault in faults_of(folder, text[:cut] + put + text[cut + len(put) :]):
        assert fault.line >= 1
        assert fault.message


@QUICK
@given(path=st.sampled_from(NODES), value=TREES)
def test_any_value_in_any_place_is_loaded_or_refused(folder: Path, path: tuple[str | int, ...], value: Any) -> None:
    tree = copy.deepcopy(TREE)
    _replaced(tree, path, value)
    text, places = written(tree)
    for fault in faults_of(folder, text):
        assert 1 <= fault.line <= len(places)


@QUICK
@given(path=st.sampled_from(MAPPINGS), key=st.text(min_size=1, max_size=12))
def test_any_further_key_in_any_place_is_loaded_or_refused(folder: Path, path: tuple[str | int, ...], key: str) -> None:
    tree = copy.deepcopy(TREE)
    _at(tree, path).setdefault(key, "x")
    for fault in faults_of(folder, written(tree)[0]):
        assert fault.message.isprintable()


@QUICK
@given(paths=st.lists(st.sampled_from(LEAVES), min_size=1, max_size=6, unique=True))
def test_each_of_several_wrong_values_is_told_at_its_own_line(folder: Path, paths: list[tuple[str | int, ...]]) -> None:
    tree = copy.deepcopy(TREE)
    for path in paths:
        _replaced(tree, path, WRONG)
    text, places = written(tree)
    told = {fault.line for fault in faults_of(folder, text)}
    for path in paths:
        below = {line for place, line in places.items() if place[: len(path)] == path}
        assert told & below, f"{path} (line {places[path]}) is not told: {told}"


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_a_wrong_value_is_the_only_fault_and_has_its_place(folder: Path, path: tuple[str | int, ...]) -> None:
    tree = copy.deepcopy(TREE)
    _replaced(tree, path, WRONG)
    text, places = written(tree)
    found = faults_of(folder, text)
    assert found
    for fault in found:
        assert fault.line in {line for place, line in places.items() if place[: len(path)] == path}, fault
