"""Trivy over an image: vulnerable packages of the operating system and of the application.

A report without a single package means that it recognised nothing in the image. New is what the locks of the base did
not have, judged by the same database; packages of the operating system come with a base image whose former state is not
known here, and count as new. An operating system that is not supported any more is a finding of its own, since few are
found in it. What VEX documents and the ignore file suppress is told, and counted apart. What the image's configuration
gives away is found without trivy (`_image_configuration`).

Options of the stage: `vex` (`_trivy_suppressions`), `maximum_age_days` and `database` (`_trivy_database`), `lock`
(`_dependency_data`).

Measures: `vulnerabilities`, `new_vulnerabilities`, `packages`, `suppressed`, `snapshot_age_days` (of the database).
"""

from shopkart_pipeline.adapters._image_configuration import configuration_findings, read_image
from shopkart_pipeline.adapters._trivy_program import TrivyProgram
from shopkart_pipeline.adapters._trivy_scanner import TrivyScanner
from shopkart_pipeline.domain.evidence import EvidenceMissing, ToolRun


class Trivy(TrivyScanner):
    """Scans images with trivy."""

    name = "trivy"

    def judge(self, trivy: TrivyProgram) -> ToolRun:
        image = read_image(trivy.request)
        if isinstance(image, EvidenceMissing):
            return ToolRun(image)
        looked = trivy.image(image.layout)
        if isinstance(looked, EvidenceMissing):
            return ToolRun(looked)
        report = looked.report
        if not report.packages:
            missing = EvidenceMissing("trivy found no package in the image", trivy.tool(report))
            return ToolRun(missing, (trivy.raw(looked, image.digest),))
        known, notes = trivy.known() if report.fingerprints() else (frozenset[str](), ())
        findings = report.findings(known)
        notes += report.system_notes()
        if findings and trivy.request.base_tree is None:
            notes += ("Everything counts as new: there is no base.",)
        more = tuple(configuration_findings(image.configuration))
        return trivy.evidence(looked, findings, image.digest, " of the image", notes, more)
