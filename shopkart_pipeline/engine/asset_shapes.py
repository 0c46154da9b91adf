"""Assets of one shape are made from one operation, and a job looks at its own assets only.

Dagster's `asset` decorator inspects a function, and makes an operation with its inputs and outputs, for each asset;
that takes about ten times as long as the asset itself, and is the same for the same stage of every service. And a job
of Dagster's goes over all assets to find its own, so a thousand services would take a million times as long as one.
With both, the time to load definitions grows with the number of services, and no faster.
"""

import copy
from collections.abc import Callable, Mapping, Sequence

from dagster import (
    AssetCheckSpec,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    ExecutorDefinition,
    JobDefinition,
    OpDefinition,
    ResourceDefinition,
)

# Private: what `define_asset_job` returns; a job that is resolved against fewer assets has no public way.
from dagster._core.definitions.asset_selection import KeysAssetSelection
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


class ShapedAsset(AssetsDefinition):
    """An asset whose resources are those of the code location: binding them needs no second construction."""

    def with_resources(self, resource_defs: Mapping[str, ResourceDefinition]) -> AssetsDefinition:
        bound = copy.copy(self)
        bound._resource_defs = {**resource_defs, **self._resource_defs}  # pyright: ignore[reportPrivateUsage]
        return bound


def of_shape(
    template: AssetsDefinition,
    name: str,
    spec: AssetSpec,
    checks: Sequence[AssetCheckSpec],
    rename: Callable[[AssetKey], AssetKey],
) -> AssetsDefinition:
    """An asset with the operation of another one.

    Args:
        template: an asset made by the decorator, with equally named checks and as many dependencies.
        name: of the operation; it becomes the step's name.
        spec: the asset; its function learns from the context which one it works for.
        checks: its checks.
        rename: the asset or dependency that stands where the template has another.
    """
    by_name = {check.name: check for check in checks}
    outputs = template._check_specs_by_output_name  # pyright: ignore[reportPrivateUsage]
    return ShapedAsset(
        keys_by_input_name={given: rename(key) for given, key in template.node_keys_by_input_name.items()},
        keys_by_output_name={given: rename(key) for given, key in template.node_keys_by_output_name.items()},
        node_def=named(template.op, name),
        specs=[spec],
        check_specs_by_output_name={given: by_name[check.name] for given, check in outputs.items()},
    )


def named(operation: OpDefinition, name: str) -> OpDefinition:
    """The same operation under another name; Dagster's own way makes it anew."""
    same = copy.copy(operation)
    same._name = name  # pyright: ignore[reportPrivateUsage]
    return same


class NarrowJob(UnresolvedAssetJobDefinition):
    """A job of assets that is resolved against them and what they depend on, not against all assets there are."""

    @staticmethod
    def of(job: UnresolvedAssetJobDefinition) -> "NarrowJob":
        """The same job, narrowly resolved."""
        return NarrowJob(**{name: getattr(job, name) for name in job.__annotations__ if name != "automation_condition"})

    def resolve(
        self,
        asset_graph: AssetGraph,
        default_executor_def: ExecutorDefinition | None = None,
        resource_defs: Mapping[str, ResourceDefinition] | None = None,
    ) -> JobDefinition:
        if not isinstance(self.selection, KeysAssetSelection):
            return super().resolve(asset_graph, default_executor_def, resource_defs)
        around = _around(asset_graph, frozenset(self.selection.selected_keys))
        return super().resolve(around, default_executor_def, resource_defs)


def _around(graph: AssetGraph, keys: frozenset[AssetKey]) -> AssetGraph:
    """The part of a graph that some assets and everything before them make up."""
    found, pending = dict[AssetKey, AssetsDefinition](), list(keys)
    while pending:
        key = pending.pop()
        if key not in found:
            node = graph.get(key)
            found[key] = node.assets_def
            pending.extend(node.parent_keys)
    return AssetGraph.from_assets(list(dict.fromkeys(found.values())))
