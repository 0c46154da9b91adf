"""Loads everything that a run will need into the warm server, so that its children have it from their first moment."""

import importlib
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.engine import rehearsal, worker
from shopkart_pipeline.engine.definitions_source import DefinitionsSource
from shopkart_pipeline.engine.warm_client import ServerOptions

_logger = logging.getLogger("warm_server")


@dataclass(frozen=True)
class Loaded:
    """The definitions are there."""

    job_names: frozenset[str]


@dataclass(frozen=True)
class Broken:
    """The definitions can't be loaded; nothing can run until they change."""

    what: str
    fix: str


def load(options: ServerOptions) -> Loaded | Broken:
    """Import the definitions, plan their jobs and rehearse a run."""
    try:
        repository = DefinitionsSource(options.definitions_module).repository()
        job_names = rehearsal.prepare_jobs(repository)
    except (Exception, SystemExit) as error:
        _logger.exception("The definitions can't be loaded")
        what = f"{options.definitions_module} can't be loaded: {type(error).__name__}: {error}"
        return Broken(what, "Correct it; the server loads it again when a file changes.")
    try:
        rehearsal.rehearse()
    except Exception:
        _logger.exception("The rehearsal failed; runs will be slower, not wrong")
    _warn_of_threads()
    return Loaded(frozenset(job_names))


def watched_paths(options: ServerOptions) -> list[Path]:
    """What the definitions are made from: the modules beside theirs, the files that their module names in
    `WATCHED_FILES`, and those of the options."""
    module = sys.modules.get(options.definitions_module)
    named = [Path(path) for path in (*options.watch, *getattr(module, "WATCHED_FILES", ()))]
    return [*named, _folder(options.definitions_module)]


def _folder(module_name: str) -> Path:
    package = importlib.import_module(module_name.rpartition(".")[0] or module_name)
    return Path(package.__file__ or os.devnull).parent


def call_is_allowed(options: ServerOptions, target: str) -> bool:
    """Whether `target` is `module:function` of the package that the definitions or the engine belong to."""
    packages = {options.definitions_module.partition(".")[0], worker.__name__.partition(".")[0]}
    module, separator, name = target.partition(":")
    return bool(separator) and name.isidentifier() and module.partition(".")[0] in packages


def _warn_of_threads() -> None:
    tasks = Path("/proc/self/task")
    if tasks.exists() and len(list(tasks.iterdir())) > 1:
        _logger.warning("Loading the definitions started threads; children are forked without them")
