"""A copy of a service's folders for a tool that may write into them."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from shopkart_pipeline.adapters._service_paths import roots_of
from shopkart_pipeline.domain.declaration import Source


def copy_service(source: Source, tree: Path, destination: Path, without: Iterable[str] = ()) -> Path:
    """Copy the service's folders and the files in the repository's root.

    Args:
        source: where the service lies.
        tree: root of the repository.
        destination: root of the copy; must not exist.
        without: files that are left out, relative to the service's folder.

    Returns:
        The root of the copy.
    """
    destination.mkdir(parents=True)
    for root in roots_of(source, tree):
        shutil.copytree(tree / root, destination / root, symlinks=True, dirs_exist_ok=True)
    for file in tree.iterdir():
        if file.is_file() and not (destination / file.name).exists():
            shutil.copy2(file, destination / file.name, follow_symlinks=False)
    for name in without:
        (destination / source.path / name).unlink(missing_ok=True)
    return destination
