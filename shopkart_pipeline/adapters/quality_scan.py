"""The declared SonarQube server where one may be asked, the embedded analysis where not.

A stage that declares no server is judged by the embedded analysis. Where one is declared, but may not be asked (a pull
request never sees its token) or can't be (no token, no scanner), the embedded analysis judges, its evidence says why,
and its measure `sonarqube_asked` is 0, so that a gate on the server's own verdict can exempt it where everybody sees
it. A server that was asked has the last word: when it fails there is no evidence, and not another tool's.
"""

from collections.abc import Mapping
from dataclasses import replace

from shopkart_pipeline.adapters._sonarqube_access import Access, names_server
from shopkart_pipeline.domain.evidence import Evidence, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest


class QualityScan(Scanner):
    """Chooses by what the stage declares, and for whom."""

    name = "quality"

    def __init__(self, server: Scanner, embedded: Scanner, access: Access) -> None:
        """
        Args:
            server: asks the declared server.
            embedded: needs none.
            access: says for which releases a server may be asked.
        """
        self._server = server
        self._embedded = embedded
        self._access = access

    def unavailable(self) -> str | None:
        server, embedded = self._server.unavailable(), self._embedded.unavailable()
        return f"{self._server.name}: {server}; {self._embedded.name}: {embedded}" if server and embedded else None

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        """What a server says depends on the server: it is asked each time."""
        if not names_server(request):
            return self._embedded.inputs(request)
        reason, known = self._not_asked(request), self._embedded.inputs(request)
        return None if reason is None or known is None else {**known, "sonarqube": f"not asked: {reason}"}

    def scan(self, request: ScanRequest) -> ToolRun:
        if not names_server(request):
            return self._embedded.scan(request)
        reason = self._not_asked(request)
        if reason is None:
            return self._server.scan(request)
        run = self._embedded.scan(request)
        if not isinstance(run.result, Evidence):
            return run
        evidence = run.result
        notes = (*evidence.notes, f"SonarQube was not asked: {reason}.")
        measures = {**evidence.measures, "sonarqube_asked": 0.0}
        return replace(run, result=replace(evidence, measures=measures, notes=notes))

    def _not_asked(self, request: ScanRequest) -> str | None:
        """Why the declared server is not asked; None if it is."""
        return self._access.refusal(request) or self._server.unavailable()
