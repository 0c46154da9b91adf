"""Cobertura XML as coverage.py and most other coverage tools write it.

File names in it hang on the folders that the tool was told to watch. They are brought back to paths of the repository
by trying its `<source>` folders, the folder that the tests ran in and the root; a name that leads to no file is given
apart.
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

from shopkart_pipeline.adapters._coverage import Coverage
from shopkart_pipeline.adapters._service_paths import find_place
from shopkart_pipeline.adapters._xml import root_of


def parse(report: bytes, tree: Path, folder: str) -> Coverage:
    """Read a report.

    Args:
        report: the XML.
        tree: root of the repository that the tests ran in.
        folder: the folder that they ran in, relative to `tree`.

    Raises:
        ValueError: it is not Cobertura XML.
    """
    root = _root(report)
    folders = _folders(root, folder)
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


def relocated(report: bytes, tree: Path, folder: str) -> bytes:
    """The report with file names relative to the root of the repository, for a reader that looks for them there.

    Takes the same arguments as `parse`, and raises as it does. What is not in the repository is left out.
    """
    root = _root(report)
    folders = _folders(root, folder)
    for parent in list(root.iter()):
        for element in list(parent):
            if element.tag == "sources":
                parent.remove(element)
            elif element.tag == "class":
                path = find_place(element.get("filename", ""), folders, tree)
                if path is None:
                    parent.remove(element)
                else:
                    element.set("filename", path)
    return tostring(root, encoding="utf-8", xml_declaration=True)


def _root(report: bytes) -> Element:
    root = root_of(report)
    if root.tag != "coverage" or root.find("packages") is None:
        raise ValueError(f"not Cobertura XML, but <{root.tag[:60]}>")
    return root


def _folders(root: Element, folder: str) -> list[str]:
    """Where names in the report may hang on."""
    return [*(source.text or "" for source in root.iter("source")), folder, "."]


def _lines(element: Element) -> Iterator[tuple[int, bool]]:
    # Lines of methods are listed twice, below the method and below the class.
    for line in element.iterfind("lines/line"):
        yield int(line.get("number", "")), int(line.get("hits", "")) > 0
