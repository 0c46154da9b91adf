"""`shopkart monitoring --out FOLDER`: rules, routing, dashboards and manifests, generated from the declaration.

Files that are no longer generated are taken away, where an earlier call has written them. With `--check` nothing is
written: the folder is compared with what would be, and whatever differs is told.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.adapters.monitoring import render_monitoring
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.monitoring import targets_of
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.spec.loader import load

_LIST = "generated.txt"
"""Names what was written, so that it can be taken away again."""


_ABSENT, _DIFFERS, _OUTDATED = "is not there", "differs", "is not generated any more"
_DONE = {_ABSENT: "new", _DIFFERS: "changed", _OUTDATED: "removed"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where the files are")
    parser.add_argument("--environment", metavar="ENVIRONMENT", help="only of this one; default: all of them")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where a file is not up to date")


def run(options: argparse.Namespace) -> int:
    settings, console = from_environment(), Console(soft_wrap=True, highlight=False)
    files = _files(load(settings.declaration, home=settings.home), options.environment)
    folder: Path = options.out
    differing = _differing(folder, files)
    if options.check:
        for name, how in differing.items():
            console.print(f"{folder / name}: {how}", markup=False)
        stale = f"{len(differing)} files differ. Call it again without `--check`, and commit what it writes."
        console.print(stale if differing else "All is up to date.", markup=False)
        return 1 if differing else 0
    # The list comes last: who is killed before has not forgotten what is still to be taken away.
    for name, how in sorted(differing.items(), key=lambda each: each[0] == _LIST):
        path = folder / name
        if name in files:
            write_atomically(path, files[name].encode())
        else:
            path.unlink()
        console.print(f"{path}: {_DONE[how]}", markup=False)
    console.print(f"{len(files)} files, {len(differing)} changed.")
    return 0


def _files(pipeline: Pipeline, environment: str | None) -> dict[str, str]:
    if environment is not None and environment not in pipeline.environments:
        known = ", ".join(pipeline.environments)
        raise NotFound(f"No environment {environment!r} is declared.", f"Declared are: {known}.")
    files = dict(render_monitoring(targets_of(pipeline, environment), pipeline.alerting))
    return {**files, _LIST: "".join(f"{name}\n" for name in sorted(files))}


def _differing(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """How files in a folder differ from what they should be, by name."""
    listed = folder / _LIST
    earlier = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    found = {name: _OUTDATED for name in earlier if name not in files and _is_inside(folder, name)}
    for name, text in files.items():
        path = folder / name
        if not path.is_file():
            found[name] = _ABSENT
        elif path.read_bytes() != text.encode():
            found[name] = _DIFFERS
    return dict(sorted(found.items()))


def _is_inside(folder: Path, name: str) -> bool:
    return (folder / name).is_file() and (folder / name).resolve().is_relative_to(folder.resolve())
