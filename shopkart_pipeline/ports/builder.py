"""What makes things out of source: environments, applications and images."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.domain.component import Component, PackageVersion
from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.evidence import EvidenceMissing, Tool, ToolRun


class ApplicationBuilder(ABC):
    """Installs a service's dependencies and builds its application, for one language."""

    name: str

    def inputs(self) -> Mapping[str, str] | None:
        """What installing and building depend on beside the service's files, such as the version of the tool; None
        where that can't be told without running it: then every attempt runs."""
        return None

    @abstractmethod
    def install(self, service: Service, tree: Path, environment: Path, log: Path, timeout_seconds: float) -> ToolRun:
        """Make the environment for checks and tests at `environment`, complete or not at all. An environment that
        is there is complete: it is kept. Measures: `packages`."""

    @abstractmethod
    def build(
        self,
        service: Service,
        tree: Path,
        environment: Path,
        application: Path,
        log: Path,
        timeout_seconds: float,
    ) -> ToolRun:
        """Build what the image will hold under its `/app` into `application`, complete or not at all.
        Findings: the licences of what others wrote (`licence:MIT`). Measures: `size_bytes`, `files`, `licences`,
        `unlicensed`."""

    def locked(self, service: Service, read: Callable[[str], bytes | None]) -> Mapping[PackageVersion, Component]:
        """What the application's lock names, with the hashes that it allows; empty where nothing is locked.

        Args:
            service: whose application.
            read: a file of the repository as it was committed, or None; the tree on disk is within reach of builds.

        Raises:
            UntrustedInput: the lock can't be read.
        """
        del service, read
        return {}


@dataclass(frozen=True)
class ImageRequest:
    """What goes into an image. Equal requests give equal digests where the builder can."""

    service: Service
    tree: Path
    application: Path
    """Folder that becomes `/app`."""
    labels: Mapping[str, str]
    created_at: datetime
    """The commit's time, never the build's: a rebuild must not differ."""
    layout: Path
    """Where the OCI image layout is written, complete or not at all."""
    log: Path
    timeout_seconds: float
    fresh: bool = False
    """Take nothing from a cache: for finding out whether the same comes out again."""


@dataclass(frozen=True)
class BuiltImage:
    """An image in an OCI layout on disk."""

    layout: Path
    digest: str
    size_bytes: int
    reproducible: bool
    """As far as the builder can promise it: everything that went in is named by its content, and nothing of the time,
    place and order of the build is in it."""
    tool: Tool
    doubt: str = ""
    """Why it is not called reproducible."""


class ImageBuilder(ABC):
    """Makes an OCI image."""

    name: str
    only_by_name: bool = False
    """Whether `auto` never chooses it."""
    runs_code: bool = False
    """Whether it runs code of the project, such as the commands of its Dockerfile."""

    @abstractmethod
    def unavailable(self) -> str | None:
        """Why the builder can't work here, or None."""

    def inputs(self, request: ImageRequest) -> Mapping[str, str] | None:
        """What the image depends on beside the application, the repository's files and the declared workload, such as
        the base image's digest; None where that can't be told without building: then every attempt builds. Labels and
        times don't count: an image that is taken over names the commit that it was built for."""
        return None

    @abstractmethod
    def build(self, request: ImageRequest) -> BuiltImage | EvidenceMissing:
        """Build the image and write it as an OCI image layout."""

    def trim_cache(self, limit_bytes: int) -> int:
        """Drop what is in the builder's own cache beyond `limit_bytes`; returns how many bytes went. A cache that is
        in use, or that the builder doesn't have, is left alone."""
        return 0
