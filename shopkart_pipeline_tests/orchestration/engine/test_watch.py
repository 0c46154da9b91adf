"""The definitions have changed when the content of what they are made from has, not when it was touched."""

import os
from pathlib import Path

import pytest

from shopkart_pipeline.engine.watch import Watch


@pytest.fixture
def loading(tmp_path: Path) -> Path:
    """A time after everything that a test prepares was written."""
    marker = tmp_path / "loading"
    marker.touch()
    return marker


def watch(loading: Path, *paths: Path) -> Watch:
    os.utime(loading, ns=(2**62, 2**62))
    return Watch(paths, loading)


def test_a_touched_file_has_not_changed(tmp_path: Path, loading: Path) -> None:
    declaration = tmp_path / "shopkart.yaml"
    declaration.write_text("services: {}")
    watched = watch(loading, declaration)

    os.utime(declaration, (1, 1))

    assert not watched.has_changed()


def test_other_content_is_a_change_and_the_old_content_is_none(tmp_path: Path, loading: Path) -> None:
    declaration = tmp_path / "shopkart.yaml"
    declaration.write_text("one")
    watched = watch(loading, declaration)

    declaration.write_text("two")
    assert watched.has_changed()

    declaration.write_text("one")
    assert not watched.has_changed()


def test_a_file_that_comes_or_goes_is_a_change(tmp_path: Path, loading: Path) -> None:
    declaration = tmp_path / "shopkart.yaml"
    watched = watch(loading, declaration)
    assert not watched.has_changed()

    declaration.write_text("there now")
    assert watched.has_changed()


def test_modules_of_a_folder_are_watched_and_nothing_else_in_it(tmp_path: Path, loading: Path) -> None:
    package = tmp_path / "package" / "inner"
    package.mkdir(parents=True)
    (package / "module.py").write_text("a = 1")
    watched = watch(loading, tmp_path / "package")

    (package / "notes.txt").write_text("not code")
    assert not watched.has_changed()

    (package / "new.py").write_text("b = 2")
    assert watched.has_changed()


def test_a_file_written_while_the_definitions_were_loaded_counts_as_changed(tmp_path: Path, loading: Path) -> None:
    os.utime(loading, (1, 1))
    declaration = tmp_path / "shopkart.yaml"
    declaration.write_text("perhaps not read")

    assert Watch([declaration], loading).has_changed()
