"""Where the definitions come from, and how their jobs look to other Dagster processes.

A run carries two addresses: the code location that the UI links to, and the Python object that a worker loads. Both
must be what the webserver computes from `workspace.yaml`; `workspace.yaml` names the module and the location, and so
does the launcher's configuration in `dagster.yaml`.
"""

import importlib
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dagster import Definitions

# Private: origins are made by Dagster's own processes only; there is no public way to make one.
from dagster._core.code_pointer import CodePointer
from dagster._core.definitions.repository_definition import RepositoryDefinition, RepositoryLoadData
from dagster._core.origin import DEFAULT_DAGSTER_ENTRY_POINT, JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from shopkart_pipeline.domain.errors import NotFound


@dataclass(frozen=True)
class DefinitionsSource:
    """A module with one `Definitions` object, served as one code location."""

    module: str = "shopkart_pipeline.definitions"
    location_name: str = "shopkart_pipeline"

    def repository(self) -> RepositoryDefinition:
        """The repository that Dagster makes of the definitions; made once per process.

        Raises:
            NotFound: the module has no Definitions object at its top level, or several.
        """
        return _definitions(self.module)[1].get_repository_def()

    def remote_job_origin(self, job_name: str) -> RemoteJobOrigin:
        """The job as the webserver addresses it."""
        location = ManagedGrpcPythonEnvCodeLocationOrigin(
            LoadableTargetOrigin(module_name=self.module), self.location_name
        )
        return RemoteJobOrigin(RemoteRepositoryOrigin(location, self.repository().name), job_name)

    def job_code_origin(self, job_name: str) -> JobPythonOrigin:
        """The job as a worker loads it."""
        pointer = CodePointer.from_module(self.module, _definitions(self.module)[0], str(Path.cwd()))
        repository = RepositoryPythonOrigin(
            sys.executable, pointer, entry_point=DEFAULT_DAGSTER_ENTRY_POINT, container_context={}
        )
        return JobPythonOrigin(job_name, repository)

    def load_data(self) -> RepositoryLoadData:
        """What a code server notes in a plan about how it has loaded the definitions."""
        return self.repository().repository_load_data or RepositoryLoadData(code_location_name=self.location_name)


@cache
def _definitions(module_name: str) -> tuple[str, Definitions]:
    module = importlib.import_module(module_name)
    found = [(name, value) for name, value in vars(module).items() if isinstance(value, Definitions)]
    if len(found) != 1:
        names = ", ".join(name for name, _ in found) or "none"
        raise NotFound(
            f"{module_name} must have one Definitions object at its top level; it has {names}.",
            "Merge them with Definitions.merge.",
        )
    return found[0]
