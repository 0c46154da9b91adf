"""The component index made anew from what it is derived from: notes of releases, and the bills that they name.

Every bill is compared with its digest as it is read; one that is gone or was changed is told, and its releases are
unknown to the index from then on.
"""

from shopkart_pipeline.domain.component import PackageVersion
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.ports.component_index import SBOM, DescribedRelease
from shopkart_pipeline.services.platform import Platform

_ALL = 1_000_000


def rebuild_index(platform: Platform) -> tuple[int, tuple[str, ...]]:
    """Make the component index anew from the bills in the evidence store: how many releases it knows then, and which
    bills could not be read."""
    index, bills = platform.components, platform.bills
    if index is None or bills is None:
        raise ToolUnavailable("Nobody here keeps bills of materials.", "Wire a format of them, and an index.")
    newest: dict[tuple[str, str], DescribedRelease] = {}
    for note in reversed(platform.evidence.newest_notes(SBOM, limit=_ALL)):
        image, report = str(note.data["image"]), str(note.data["report"])
        newest[note.service, note.release_key] = DescribedRelease(note.service, note.release_key, image, report)
    packages: dict[str, tuple[PackageVersion, ...]] = {}
    problems = list[str]()
    for report in dict.fromkeys(each.report for each in newest.values()):
        try:
            packages[report] = bills.packages(platform.evidence.get_report(report))
        except PipelineError as error:
            problems.append(error.what)
    known = [(each, packages[each.report]) for each in newest.values() if each.report in packages]
    return index.replace(known), tuple(problems)
