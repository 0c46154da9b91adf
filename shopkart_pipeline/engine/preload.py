"""Loads everything that a run will need into the warm server, so that its children have it from their first moment."""

import importlib.util
import logging
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

# Private: what a repository is called that is loaded already.
from dagster._core.definitions.repository_definition import RepositoryDefinition

from shopkart_pipeline.engine import rehearsal, worker
from shopkart_pipeline.engine.definitions_source import DefinitionsSource
from shopkart_pipeline.engine.first_open import HomeDatabases
from shopkart_pipeline.engine.places import RunLimits
from shopkart_pipeline.engine.storage import WarmSqliteStorage
from shopkart_pipeline.engine.warm_client import ServerOptions
from shopkart_pipeline.engine.warm_paths import WarmPaths

_PREPARED_JOBS = 100
_logger = logging.getLogger("warm_server")


@dataclass(frozen=True)
class Loaded:
    """The definitions are there."""

    repository: RepositoryDefinition = field(repr=False)
    job_names: frozenset[str] = field(repr=False)
    prepared: set[str] = field(default_factory=set[str], repr=False)

    def prepare(self, job_name: str) -> None:
        """Plan a job unless it was planned before: every child that is forked from now on has it."""
        if job_name not in self.prepared:
            rehearsal.prepare_job(self.repository, job_name)
            self.prepared.add(job_name)


@dataclass(frozen=True)
class Broken:
    """The definitions can't be loaded; nothing can run until they change."""

    what: str
    fix: str


def load(paths: WarmPaths, options: ServerOptions) -> Loaded | Broken:
    """Make the home's databases, import the definitions, plan jobs and rehearse a run. Of very many jobs the rest is
    planned when each is launched for the first time."""
    databases = HomeDatabases(paths.home)
    storage = worker.describe(paths).storage_data
    if storage and storage.class_name == WarmSqliteStorage.__name__:
        databases.ensure()
    try:
        repository = DefinitionsSource(options.definitions_module).repository()
        loaded = Loaded(repository, frozenset(repository.job_names))
        for job_name in sorted(loaded.job_names)[:_PREPARED_JOBS]:
            loaded.prepare(job_name)
    except (Exception, SystemExit) as error:
        _logger.exception("The definitions can't be loaded")
        what = f"{options.definitions_module} can't be loaded: {type(error).__name__}: {error}"
        return Broken(what, "Correct it; the server loads it again when a file changes.")
    try:
        rehearsal.rehearse(databases)
    except Exception:
        _logger.exception("The rehearsal failed; runs will be slower, not wrong")
    _warn_of_threads()
    return loaded


def with_named_files(options: ServerOptions) -> ServerOptions:
    """The options, watching also the files that the definitions' module names in `WATCHED_FILES`.

    They become options so that a successor knows them even if it can't load the module.
    """
    module = sys.modules.get(options.definitions_module)
    named = (str(path) for path in getattr(module, "WATCHED_FILES", ()))
    return replace(options, watch=tuple(dict.fromkeys((*options.watch, *named))))


def run_limits(options: ServerOptions) -> RunLimits:
    """How many runs may be at work: as the definitions' module says in `RUN_LIMITS`, unless the options say it."""
    said = getattr(sys.modules.get(options.definitions_module), "RUN_LIMITS", None)
    limits = said if isinstance(said, RunLimits) else RunLimits()
    return replace(limits, runs=options.max_running_runs) if options.max_running_runs else limits


def watched_paths(options: ServerOptions) -> list[Path]:
    """What the definitions are made from: the modules beside theirs, and the files of the options."""
    return [*map(Path, options.watch), _folder(options.definitions_module)]


def _folder(module_name: str) -> Path:
    try:
        spec = importlib.util.find_spec(module_name)
    except (ImportError, ValueError):
        spec = None
    return Path(spec.origin).parent if spec and spec.origin else Path(os.devnull)


def call_is_allowed(options: ServerOptions, target: str) -> bool:
    """Whether `target` is `module:function` of the package that the definitions or the engine belong to."""
    packages = {options.definitions_module.partition(".")[0], worker.__name__.partition(".")[0]}
    module, separator, name = target.partition(":")
    return bool(separator) and name.isidentifier() and module.partition(".")[0] in packages


def _warn_of_threads() -> None:
    tasks = Path("/proc/self/task")
    if tasks.exists() and len(list(tasks.iterdir())) > 1:
        _logger.warning("Loading the definitions started threads; children are forked without them")
