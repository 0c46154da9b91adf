"""Where a web interface listens and what it shows. Knows nothing of Dagster and imports fast."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.engine.shipped_files import shipped_file

WORKSPACE = shipped_file("workspace.yaml")


@dataclass(frozen=True)
class WebOptions:
    """A web interface."""

    host: str
    port: int
    names: Collection[str] = ()
    """To which it answers; empty: all."""
    read_only: bool = False
    """Nothing can be launched or changed."""
    workspace: Path = WORKSPACE
    """Which code locations it shows."""

    def arguments(self) -> list[str]:
        """As `engine.web` takes them."""
        given = [f"--host={self.host}", f"--port={self.port}", f"--workspace={self.workspace}"]
        return [*given, *(f"--name={name}" for name in self.names), *(["--read-only"] if self.read_only else [])]
