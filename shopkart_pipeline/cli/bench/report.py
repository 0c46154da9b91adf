"""The bench's findings as a table: on a terminal, and in Markdown between marks of a file.

A file keeps everything outside of the marks, so prose and numbers live together and the numbers can be written anew.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from shopkart_pipeline.cli.bench.measures import SHOPKART
from shopkart_pipeline.domain.errors import PipelineError

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
_COLUMNS = ("measured", "subject", "median", "worst", "samples", "limit", "ShopKart / peer")


def rows(measurement: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The rows of one measurement, as text."""
    ratios = {(each["quantity"], each["peer"]): each["shopkart_over_peer"] for each in measurement["ratios"]}
    found: list[tuple[str, ...]] = []
    for measure in measurement["measures"]:
        ratio = ratios.get((measure["quantity"], measure["subject"]))
        unit = measure["unit"]
        found.append(
            (
                measure["quantity"],
                measure["subject"],
                f"{figure(measure['median'])} {unit}",
                f"{figure(max(measure['samples']))} {unit}",
                str(len(measure["samples"])),
                _limit(measure),
                f"{ratio:.2f}" if ratio is not None else "",
            )
        )
    return found


def wide_rows(measurement: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of a measurement with one column for each subject: its medians, and our limit."""
    measures = measurement["measures"]
    subjects = list(dict.fromkeys(measure["subject"] for measure in measures))
    found: list[tuple[str, ...]] = []
    for quantity in dict.fromkeys(measure["quantity"] for measure in measures):
        by_subject = {each["subject"]: each for each in measures if each["quantity"] == quantity}
        medians = (f"{figure(by_subject[each]['median'])}" if each in by_subject else "" for each in subjects)
        unit = next(iter(by_subject.values()))["unit"]
        limit = _limit(by_subject[SHOPKART]) if SHOPKART in by_subject else ""
        found.append((f"{quantity}, {unit}", *medians, limit))
    return ("measured (median)", *subjects, "limit"), found


def figure(value: float) -> str:
    """A number with three significant digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _limit(measure: Mapping[str, Any]) -> str:
    if measure["limit"] is None:
        return ""
    return f"{figure(measure['limit'])} {measure['unit']}, {'kept' if measure['reached'] else 'missed'}"


def print_table(console: Console, measurement: Mapping[str, Any]) -> None:
    """One measurement for people."""
    head, found = _table(measurement)
    table = Table(*head, title=measurement["title"], title_justify="left", box=None)
    for row in found:
        style = "bold" if SHOPKART in (row[1], head[1]) else "dim"
        table.add_row(*row, style=style)
    console.print(table)
    for note in measurement["notes"]:
        console.print(f"  {note}", style="dim", markup=False)


def markdown(document: Mapping[str, Any]) -> str:
    """The whole document as Markdown."""
    machine, before, after = document["machine"], document["load_before"], document["load_after"]
    lines = [
        f"`{document['command']}`, {document['began_at'][:16].replace('T', ' ')} UTC, {document['seconds']:.0f} s.",
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"{machine['system']}, Python {machine['python']}, Dagster {machine['packages']['dagster']}.",
        f"Load average {before['load_1_minute']:.1f} before and {after['load_1_minute']:.1f} after.",
        "",
    ]
    for measurement in document["measurements"]:
        lines += [f"### {measurement['title']}", "", *_markdown_table(*_table(measurement)), ""]
        lines += [f"- {note}" for note in measurement["notes"]] + [""] * bool(measurement["notes"])
    return "\n".join(lines)


def _table(measurement: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    return wide_rows(measurement) if measurement.get("wide") else (_COLUMNS, rows(measurement))


def _markdown_table(columns: Sequence[str], found: Sequence[tuple[str, ...]]) -> list[str]:
    head = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    return head + [f"| {' | '.join(row)} |" for row in found]


def write_between_marks(path: Path, text: str) -> None:
    """Replace what stands between the marks of a file.

    Raises:
        PipelineError: the file has no marks.
    """
    content = path.read_text() if path.exists() else f"{BEGIN}\n{END}\n"
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise PipelineError(f"{path} has no place for the table.", f"Put the lines {BEGIN} and {END} into it.")
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}")
