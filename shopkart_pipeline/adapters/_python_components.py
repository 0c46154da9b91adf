"""Python packages in an image: what their metadata say, with the packages that they need.

A requirement for an extra is none of its package; other conditions are not evaluated, and a requirement counts where
what it names is there: first in the same folder, else anywhere in the image.

Source: Core metadata specification.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from email.message import Message
from email.parser import HeaderParser
from pathlib import PurePosixPath

from packageurl import PackageURL
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from shopkart_pipeline.adapters._found_components import Findings, Found, is_package, place_of
from shopkart_pipeline.adapters._image_tree import KeptFile
from shopkart_pipeline.adapters._licences import said_by_metadata
from shopkart_pipeline.adapters._packages import Ecosystem
from shopkart_pipeline.domain.component import Component, PackageVersion


def is_python_metadata(path: str) -> bool:
    """Whether a file tells of an installed Python package."""
    folder, _, name = path.rpartition("/")
    return (
        (name == "METADATA" and folder.endswith(".dist-info"))
        or (name == "PKG-INFO" and folder.endswith(".egg-info"))
        or name.endswith(".egg-info")
    )


def python_purl(name: str, version: str) -> str:
    """The package URL of a package of PyPI."""
    return PackageURL("pypi", None, name, version).to_string()


def python_components(files: Iterable[KeptFile]) -> tuple[list[Component], tuple[str, ...]]:
    """The packages that these files tell of, and what can't be told."""
    findings = Findings()
    for file in files:
        one = _found(file)
        if one is None:
            findings.unreadable.append(file.path)
        else:
            findings.found.append(one)
    return list(_with_needs(findings.found)), findings.note("Python")


def _found(file: KeptFile) -> Found | None:
    if file.content is None:
        return None
    fields = HeaderParser().parsestr(file.content.decode(errors="replace"), headersonly=True)
    if not is_package(fields["Name"], fields["Version"]):
        return None
    name, version = canonicalize_name(fields["Name"]), str(fields["Version"])
    said, expression = said_by_metadata(fields)
    component = Component(
        PackageVersion(Ecosystem.PYPI.value, name, version),
        python_purl(name, version),
        (place_of(file),),
        expression,
        said,
    )
    info = PurePosixPath(file.path)
    site = info.parent if info.name.endswith(".egg-info") else info.parent.parent
    return Found(component, str(site), tuple(_wanted(fields)))


def _wanted(fields: Message) -> Iterator[str]:
    for text in fields.get_all("Requires-Dist", []):
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None or "extra" not in str(requirement.marker):
            yield canonicalize_name(requirement.name)


def _with_needs(found: list[Found]) -> Iterator[Component]:
    by_name = defaultdict[str, list[Found]](list)
    for one in found:
        by_name[one.component.package.name].append(one)
    for one in found:
        needs = set[str]()
        for name in one.wants:
            there = by_name.get(name, [])
            near = [each for each in there if each.site == one.site]
            needs |= {each.component.purl for each in near or there}
        yield replace(one.component, needs=tuple(sorted(needs - {one.component.purl})))
