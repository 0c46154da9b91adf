"""Trivy over a service's folder: vulnerable packages that its locks name, in every lock format that trivy knows.

The release and its base are judged by the same database; new is what the base did not have. Trivy leaves out lines and
files that it can't read without a word, so every package of a lock that the pipeline reads itself has to be in its
report, and a lock of a format that it does not read has to bring some. What VEX documents and the ignore file suppress
is told, and counted apart. Trivy's data tell nothing of packages that were published to do harm; the notes say so.

Options of the stage: `lock` (`_dependency_data`; names that trivy does not know are read as `requirements.txt`), `vex`
(`_trivy_suppressions`), `maximum_age_days` and `database` (`_trivy_database`).

Measures: `vulnerabilities`, `new_vulnerabilities`, `packages`, `suppressed`, `snapshot_age_days` (of the database).
"""

from packaging.utils import canonicalize_name

from shopkart_pipeline.adapters._dependency_data import has_lock_to_read, read_locks
from shopkart_pipeline.adapters._trivy_program import TrivyProgram
from shopkart_pipeline.adapters._trivy_report import TrivyReport
from shopkart_pipeline.adapters._trivy_scanner import TrivyScanner
from shopkart_pipeline.domain.evidence import EvidenceMissing, ToolRun
from shopkart_pipeline.ports.scanner import ScanRequest

_SHOWN = 5
_BLIND_SPOT = "Trivy does not know packages that were published to do harm: there may be some."


class TrivyFs(TrivyScanner):
    """Scans locks with trivy."""

    name = "trivy-fs"

    def judge(self, trivy: TrivyProgram) -> ToolRun:
        request, folder = trivy.request, trivy.request.service.source.path
        looked = trivy.folder(request.tree)
        if isinstance(looked, EvidenceMissing):
            return ToolRun(looked)
        report = looked.report
        if reason := _incomplete(request, report):
            return ToolRun(EvidenceMissing(reason, trivy.tool(report)), (trivy.raw(looked, folder),))
        known, notes = trivy.known() if report.fingerprints() else (frozenset[str](), ())
        return trivy.evidence(looked, report.findings(known, folder), folder, notes=(*notes, _BLIND_SPOT))


def _incomplete(request: ScanRequest, report: TrivyReport) -> str | None:
    """Why the report is not about all packages of the service, or None."""
    if not report.packages:
        return f"trivy found no package in {request.service.source.path}"
    if not has_lock_to_read(request):
        return None
    locked = read_locks(request)
    if isinstance(locked, EvidenceMissing):
        return locked.reason
    seen = {name for package in report.packages for name in (package, canonicalize_name(package))}
    absent = sorted({one.name for one in locked.packages if one.name not in seen and not one.conditional})
    if not absent:
        return None
    shown = ", ".join(absent[:_SHOWN]) + (" and others" if len(absent) > _SHOWN else "")
    return f"trivy did not see {len(absent)} of the locked packages: {shown}"
