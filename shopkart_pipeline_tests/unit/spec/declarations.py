"""Declarations for tests: the smallest one, and trees written as YAML with the line of everything known."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shopkart_pipeline.domain.declaration import Pipeline, Service
from shopkart_pipeline.domain.errors import DeclarationError, Fault
from shopkart_pipeline.spec.loader import load

HOME = Path("/srv/shopkart")

SMALLEST = """\
version: 1
services:
  catalog:
    owners: [team:shop]
    source: {repository: shopkart/catalog}
    workload: {command: [python, -m, catalog]}
    environments:
      production: {approvals: {approvers: [maya@shopkart.example]}}
"""
"""Valid. What is appended with an indentation of four belongs to the service `catalog`."""


def pipeline_of(folder: Path, text: str) -> Pipeline:
    """Load a declaration that is expected to be valid."""
    file = folder / "shopkart.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file, home=HOME)


def service_of(folder: Path, more: str = "") -> Service:
    """The service of the smallest declaration, with more said about it."""
    return pipeline_of(folder, SMALLEST + more).services["catalog"]


def faults_of(folder: Path, content: str | bytes) -> tuple[Fault, ...]:
    """The faults of a declaration; none where it is valid."""
    file = folder / "shopkart.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    try:
        load(file, home=HOME)
    except DeclarationError as error:
        return error.faults
    return ()


def one_fault_of(folder: Path, content: str | bytes) -> Fault:
    """The only fault of a declaration."""
    [fault] = faults_of(folder, content)
    return fault


def service_fault_of(folder: Path, more: str) -> Fault:
    """The only fault of the smallest declaration with more said about its service; its path begins there."""
    fault = one_fault_of(folder, SMALLEST + more)
    return Fault(fault.file, fault.line, fault.path.removeprefix("services.catalog."), fault.message)


def written(tree: Any) -> tuple[str, Mapping[tuple[str | int, ...], int]]:
    """A tree as YAML with one thing on each line, and the line of each path."""
    lines: list[str] = []
    places: dict[tuple[str | int, ...], int] = {}
    _write(tree, (), 0, lines, places)
    return "\n".join(lines) + "\n", places


def _write(
    node: Any, path: tuple[str | int, ...], depth: int, lines: list[str], places: dict[tuple[str | int, ...], int]
) -> None:
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
    for key, value in items:
        head = "  " * depth + (f"{json.dumps(key)}:" if isinstance(node, dict) else "-")
        nested = isinstance(value, dict | list) and value
        lines.append(head if nested else f"{head} {json.dumps(value)}")
        places[(*path, key)] = len(lines)
        if nested:
            _write(value, (*path, key), depth + 1, lines, places)
