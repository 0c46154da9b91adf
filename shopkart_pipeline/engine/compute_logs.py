"""Captures the standard output and error of a run into files, and nowhere else.

Dagster's local manager also mirrors them to the worker's own output, with two `tail` processes and two Python
processes that watch them; that costs more than a stage without work. A worker's own output goes to a file that nobody
watches, so the mirror is left out. Paths and formats are those of the local manager, which reads them.
"""

import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Private: the local manager is configured by class; its parts are not exported.
from dagster._core.execution.compute_logs import redirect_to_file  # pyright: ignore[reportUnknownVariableType]
from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._serdes import ConfigurableClassData

from shopkart_pipeline.known_secrets import KNOWN


class FileComputeLogManager(LocalComputeLogManager):
    """Dagster's local compute log manager without the mirror."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "FileComputeLogManager":
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext]:
        out, err = (self._path(log_key, kind) for kind in (ComputeIOType.STDOUT, ComputeIOType.STDERR))
        out.parent.mkdir(parents=True, exist_ok=True)
        with redirect_to_file(sys.stdout, str(out)), redirect_to_file(sys.stderr, str(err)):
            yield CapturedLogContext(log_key)
        for path in (out, err):
            KNOWN.blot_file(path)
        Path(self.get_captured_local_path(log_key, "complete")).touch()

    def _path(self, log_key: Sequence[str], kind: ComputeIOType) -> Path:
        return Path(self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[kind]))
