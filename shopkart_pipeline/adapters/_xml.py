"""XML as tools write it: parsed whole, without entities, or refused."""

from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException, ElementTree


def root_of(report: bytes) -> Element:
    """The root of a document.

    Raises:
        ValueError: it is not XML, was cut off, or defines entities.
    """
    try:
        return ElementTree.fromstring(report)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise ValueError(f"not readable as XML: {error!r}") from error
