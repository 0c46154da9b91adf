"""Migrations of a service: which of their stages are there, and the command that each runs.

A stage is there where its command is declared, or where somebody says something about it: then the command is missing.
"""

from collections.abc import Mapping
from dataclasses import replace

from shopkart_pipeline.domain.declaration import EXPANDS, MIGRATIONS, Stage, StageKind
from shopkart_pipeline.spec.models.delivery import MigrationsSpec
from shopkart_pipeline.spec.models.section import Command
from shopkart_pipeline.spec.placeholders import fill
from shopkart_pipeline.spec.scope import Scope


def absent_migrations(scope: Scope) -> tuple[str, ...]:
    """Names of the stages that have nothing to run. Faults go to the scope."""
    workload = scope.spec.workload
    declared = workload.migrations if workload is not None else None
    if declared is not None and not (declared.expand or declared.contract):
        scope.missing("say what is to run: `expand`, `contract` or both", "workload", "migrations")
    commands = _commands(scope)
    for name in sorted(name for name, command in commands.items() if command is None):
        if scope.says("stages", name):
            step = name.rpartition("_")[2]
            scope.missing(f"{name} has nothing to run; say the command", "workload", "migrations", step)
    return tuple(name for name, command in commands.items() if command is None)


def with_migrations(scope: Scope, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The stages, those of migrations with their commands."""
    commands, values = _commands(scope), {"service": scope.service}
    return tuple(
        replace(stage, command=tuple(fill(word, values) for word in commands.get(stage.name) or ()))
        if stage.kind in MIGRATIONS
        else stage
        for stage in stages
    )


def _commands(scope: Scope) -> Mapping[str, Command | None]:
    """By name of the stage."""
    workload = scope.spec.workload
    declared = (workload.migrations if workload is not None else None) or MigrationsSpec()
    return {
        **{kind.value: declared.expand for kind in sorted(EXPANDS)},
        StageKind.CONTRACT.value: declared.contract,
    }
