"""LCOV tracefiles as c8, nyc, vitest, Node's own runner, coverage.py, gcov's tools and others write them.

Only what lines were run is read: `SF` (file), `DA` (line and how often it was run) and the end of a record. A file may
have several records; a line is covered where one of them says so. A record that is not ended, or that announces more
lines than it holds, was cut off.

Source: geninfo(1) of LCOV 2, "Tracefile format".
"""

from pathlib import Path

from shopkart_pipeline.adapters._coverage import Coverage
from shopkart_pipeline.adapters._service_paths import find_place


def parse(report: bytes, tree: Path, folder: str) -> Coverage:
    """Read a report.

    Args:
        report: the tracefile.
        tree: root of the repository that the tests ran in.
        folder: the folder that they ran in, relative to `tree`.

    Raises:
        ValueError: it is not LCOV, or it was cut off.
    """
    lines: dict[str, dict[int, bool]] = {}
    strange: list[str] = []
    name, record, announced = "", dict[int, bool](), 0
    for number, text in enumerate(report.decode("utf-8", "replace").splitlines(), start=1):
        key, _, value = text.strip().partition(":")
        if key == "SF":
            if name:
                raise ValueError(f"line {number} begins a file in the middle of {name}")
            name, record, announced = value, {}, 0
        elif key == "DA":
            line, hit = _line(value, name, number)
            record[line] = record.get(line, False) or hit
        elif key == "LF":
            announced = max(announced, _count(value, number))
        elif key == "end_of_record":
            if announced > len(record):
                raise ValueError(f"{announced} lines of {name} are announced, but only {len(record)} reported")
            path = find_place(name, (folder, "."), tree)
            _add(lines.setdefault(path, {}), record) if path else strange.append(name)
            name = ""
    if name:
        raise ValueError(f"the record of {name} is not ended")
    if not lines and not strange:
        raise ValueError("neither Cobertura XML nor LCOV: no record of a file is in it")
    return Coverage(lines, tuple(strange))


def relocated(report: bytes, tree: Path, folder: str) -> bytes:
    """The report with file names relative to the root of the repository, for a reader that looks for them there.

    Takes the same arguments as `parse`, and raises as it does. What is not in the repository is left out.
    """
    parse(report, tree, folder)
    kept: list[str] = []
    path: str | None = None
    for text in report.decode("utf-8", "replace").splitlines():
        key, _, value = text.strip().partition(":")
        if key == "SF":
            path = find_place(value, (folder, "."), tree)
        if path is not None:
            kept.append(f"SF:{path}" if key == "SF" else text)
    return "".join(f"{text}\n" for text in kept).encode()


def _add(known: dict[int, bool], record: dict[int, bool]) -> None:
    for line, hit in record.items():
        known[line] = known.get(line, False) or hit


def _line(value: str, name: str, number: int) -> tuple[int, bool]:
    """`LINE,HITS` with an optional checksum; what can't be counted any more is written as 1e+20."""
    line, _, hits = value.partition(",")
    try:
        if not name:
            raise ValueError
        return int(line), float(hits.partition(",")[0]) > 0
    except ValueError:
        raise ValueError(f"line {number} is not LCOV: DA:{value[:60]}") from None


def _count(value: str, number: int) -> int:
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"line {number} is not LCOV: LF:{value[:60]}") from None
