"""Cobertura XML as coverage.py and most other coverage tools write it.

File names in it hang on the folders that the tool was told to watch. They are brought back to paths of the repository
by trying its `<source>` folders, the folder that the tests ran in and the root; a name that leads to no file is given
apart.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException, ElementTree

from shopkart_pipeline.adapters._coverage import Coverage
from shopkart_pipeline.adapters._service_paths import find_place


def parse(report: bytes, tree: Path, folder: str) -> Coverage:
    """Read a report.

    Args:
        report: the XML.
        tree: root of the repository that the tests ran in.
        folder: the folder that they ran in, relative to `tree`.

    Raises:
        ValueError: it is not Cobertura XML.
    """
    try:
        root: Element = ElementTree.fromstring(report)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise ValueError(f"not readable as XML: {error!r}") from error
    if root.tag != "coverage" or root.find("packages") is None:
        raise ValueError(f"not Cobertura XML, but <{root.tag[:60]}>")
    folders = [*(source.text or "" for source in root.iter("source")), folder, "."]
    lines: dict[str, dict[int, bool]] = {}
    strange: list[str] = []
    for element in root.iter("class"):
        name = element.get("filename", "")
        path = find_place(name, folders, tree)
        if path is None:
            strange.append(name)
            continue
        known = lines.setdefault(path, {})
        for number, hit in _lines(element):
            known[number] = known.get(number, False) or hit
    return Coverage(lines, tuple(strange))


def _lines(element: Element) -> Iterator[tuple[int, bool]]:
    # Lines of methods are listed twice, below the method and below the class.
    for line in element.iterfind("lines/line"):
        yield int(line.get("number", "")), int(line.get("hits", "")) > 0
