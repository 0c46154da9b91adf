"""A folder of generated files, kept in a repository: brought up to date, or compared with what it should be.

Files that are no longer generated are taken away, where an earlier call has written them; the folder's list says so.
"""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.adapters._files import write_atomically

LIST = "generated.txt"
"""Names what was written, so that it can be taken away again."""

_ABSENT, _DIFFERS, _OUTDATED = "is not there", "differs", "is not generated any more"
_DONE = {_ABSENT: "new", _DIFFERS: "changed", _OUTDATED: "removed"}


def compare_folder(folder: Path, generated: Mapping[str, str], console: Console) -> int:
    """Tell how a folder differs from what is generated; returns 1 if it does."""
    differing = _differing(folder, with_list(generated))
    for name, how in differing.items():
        console.print(f"{folder / name}: {how}", markup=False)
    stale = f"{len(differing)} files differ. Call it again without `--check`, and commit what it writes."
    console.print(stale if differing else "All is up to date.", markup=False)
    return 1 if differing else 0


def write_folder(folder: Path, generated: Mapping[str, str], console: Console) -> int:
    """Bring a folder up to date; returns 0."""
    files = with_list(generated)
    differing = _differing(folder, files)
    # The list comes last: who is killed before has not forgotten what is still to be taken away.
    for name, how in sorted(differing.items(), key=lambda each: each[0] == LIST):
        path = folder / name
        if name in files:
            write_atomically(path, files[name].encode())
        else:
            path.unlink()
        console.print(f"{path}: {_DONE[how]}", markup=False)
    console.print(f"{len(files)} files, {len(differing)} changed.")
    return 0


def with_list(generated: Mapping[str, str]) -> dict[str, str]:
    """The files, and the one that lists them."""
    return {**generated, LIST: "".join(f"{name}\n" for name in sorted(generated))}


def _differing(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """How files in a folder differ from what they should be, by name."""
    listed = folder / LIST
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
