"""Reads a coverage report by what is in it: XML is Cobertura's, everything else has to be LCOV."""

from pathlib import Path

from shopkart_pipeline.adapters import cobertura, lcov
from shopkart_pipeline.adapters._coverage import Coverage

XML_NAME, LCOV_NAME = "coverage.xml", "coverage.info"
NAMES = (XML_NAME, LCOV_NAME)
"""What the two are called as raw reports."""


def is_xml(content: bytes) -> bool:
    """Whether a report is XML rather than lines of text."""
    return content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def read(content: bytes, tree: Path, folder: str) -> Coverage:
    """Read a report.

    Args:
        content: the report.
        tree: root of the repository that the tests ran in.
        folder: the folder that they ran in, relative to `tree`.

    Raises:
        ValueError: it is neither Cobertura XML nor LCOV, or was cut off.
    """
    return (cobertura if is_xml(content) else lcov).parse(content, tree, folder)


def relocated(content: bytes, tree: Path, folder: str) -> bytes:
    """The report with file names relative to the root of the repository, for a reader that looks for them there.

    Takes the same arguments as `read`, and raises as it does. What is not in the repository is left out.
    """
    return (cobertura if is_xml(content) else lcov).relocated(content, tree, folder)
