"""The order of a service's stages. Rules, whatever `needs` says:

- A stage that waits for nothing waits for `source`.
- A stage that nothing waits for is awaited by the next of `image`, `published_image`, `attestations`,
  `staging_expand` and `staging` that it does not itself come after (in phase `ci`), or of `staging_attestations`,
  `production_expand` and `production` (in phase `staging`), as far as they are there: no stage can be passed by.
- A deployment waits for the migration that expands the database for it.
- A stage that is left out is replaced by what it needs.
- What a stage works on has to be there: `image_scan` comes after `image`, tests come after `staging`, and so on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.spec.graph import cycles, order, reachable

_JOINS: Mapping[Phase, tuple[str, ...]] = {
    Phase.CI: ("image", "published_image", "attestations", "staging_expand", "staging"),
    Phase.STAGING: ("staging_attestations", "production_expand", "production"),
    Phase.PRODUCTION: (),
}
_EXPANDED_BY: Mapping[str, str] = {"staging": "staging_expand", "production": "production_expand"}
_WORKS_ON: Mapping[str, str] = {
    "dependencies": "source",
    "unit_tests": "dependencies",
    "application": "dependencies",
    "image": "application",
    "image_scan": "image",
    "published_image": "image",
    "attestations": "published_image",
    "staging_expand": "published_image",
    "staging": "published_image",
    "integration_tests": "staging",
    "acceptance_tests": "staging",
    "compatibility": "staging",
    "load_test": "staging",
    "staging_attestations": "staging",
    "production_expand": "staging",
    "production": "staging",
    "contract": "production",
}

_Needs = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class StageNode:
    """A stage as far as order is concerned."""

    name: str
    phase: Phase
    needs: tuple[str, ...]
    """Names of other nodes."""
    left_out: bool


@dataclass(frozen=True)
class Arrangement:
    """Stages in order, or why there is none."""

    needs: Mapping[str, tuple[str, ...]]
    """By stage what it needs, each stage after those that it needs; empty where there are cycles."""
    cycles: tuple[tuple[str, ...], ...]
    """Stages that wait for each other."""
    too_early: tuple[tuple[str, str], ...]
    """Stages that do not come after the one whose work they need, with that one."""


@lru_cache(maxsize=256)
def arrange(nodes: tuple[StageNode, ...]) -> Arrangement:
    """Apply the rules. Services mostly have the same stages, so the answer is remembered."""
    declared: _Needs = {node.name: node.needs or _after_source(node.name) for node in nodes}
    found = tuple(cycles(declared))
    if found:
        return Arrangement({}, found, ())
    needs = _without(declared, {node.name for node in nodes if node.left_out})
    _expand_first(needs)
    _join(needs, {node.name: node.phase for node in nodes})
    too_early = tuple(
        (name, subject)
        for name, subject in _WORKS_ON.items()
        if name in needs and subject in needs and subject not in reachable(needs, name)
    )
    return Arrangement({name: needs[name] for name in order(needs)}, (), too_early)


def _after_source(name: str) -> tuple[str, ...]:
    return () if name == "source" else ("source",)


def _without(needs: _Needs, left_out: set[str]) -> _Needs:
    """The graph without some stages; who needed one needs what it needed, unless another need implies that."""
    kept = {
        name: tuple(dict.fromkeys(each for need in wanted for each in _replaced(needs, need, left_out)))
        for name, wanted in needs.items()
        if name not in left_out
    }
    for name, wanted in kept.items():
        if left_out.intersection(needs[name]):
            implied = {each for need in wanted for each in reachable(kept, need)}
            kept[name] = tuple(need for need in wanted if need not in implied)
    return kept


def _replaced(needs: _Needs, name: str, left_out: set[str]) -> tuple[str, ...]:
    """A stage, or where it is left out the nearest ones before it that are not."""
    if name not in left_out:
        return (name,)
    return tuple(each for need in needs[name] for each in _replaced(needs, need, left_out))


def _expand_first(needs: _Needs) -> None:
    for deployment, expand in _EXPANDED_BY.items():
        if deployment in needs and expand in needs and expand not in needs[deployment]:
            needs[deployment] = (*needs[deployment], expand)


def _join(needs: _Needs, phases: Mapping[str, Phase]) -> None:
    awaited = {need for wanted in needs.values() for need in wanted}
    for name in [name for name in needs if name not in awaited]:
        for join in _JOINS[phases[name]]:
            if join != name and join in needs and join not in reachable(needs, name):
                needs[join] = (*needs[join], name)
                break
