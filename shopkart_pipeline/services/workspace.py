"""Where files of a release lie on this machine. All of it can be made again from the repository and the evidence.

Everything is complete or not there: what makes a folder writes to a temporary sibling and renames it.
"""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from shopkart_pipeline.domain.release import Release


@dataclass(frozen=True)
class Workspace:
    """Paths below the home directory."""

    home: Path

    def tree(self, repository: str, sha: str) -> Path:
        """The repository at a commit; shared by the services and stages of that commit, written by none."""
        return self.home / "work" / "trees" / repository.replace("/", "--") / sha

    def environment(self, key: str) -> Path:
        """A virtual environment, shared by all releases with the same locked dependencies."""
        return self.home / "work" / "environments" / key

    def application(self, release: Release) -> Path:
        """The built application."""
        return self.home / "work" / "releases" / release.service / release.key / "application"

    def layout(self, release: Release) -> Path:
        """The image as an OCI layout."""
        return self.home / "work" / "releases" / release.service / release.key / "image"

    def log(self, release: Release, stage: str) -> Path:
        """What a stage's tools wrote, over all attempts."""
        return self.home / "logs" / release.service / release.key / f"{stage}.log"

    @contextmanager
    def scratch(self) -> Generator[Path]:
        """An empty folder that is gone afterwards; what a killed run left behind is swept at the next start."""
        root = self.home / "work" / "scratch"
        root.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(dir=root))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
