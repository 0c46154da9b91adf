"""pip-audit: recorded reports, and real runs against an advisory service on this machine."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._packages import Package
from shopkart_pipeline.adapters.pip_audit import PipAudit, parse
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline_tests.advisory_snapshots import an_advisory
from shopkart_pipeline_tests.package_locks import package_lock
from shopkart_pipeline_tests.scan_requests import SAMPLES, a_request, a_stage, evidence_of, reason_of

STARLETTE, ANYIO = Package("starlette", "0.38.0", 1), Package("anyio", "4.0.0", 2)
HASH = f"--hash=sha256:{'0' * 64}"


class AdvisoryService(BaseHTTPRequestHandler):
    """Knows of one vulnerable package."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        concerned = asked["package"]["name"] == "starlette" and asked["version"] == "0.38.0"
        answer = json.dumps({"vulns": [an_advisory(aliases=["CVE-2024-1"])]} if concerned else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def advisory_service() -> Generator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), AdvisoryService) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_recorded_report_is_read() -> None:
    [found] = parse((SAMPLES / "pip_audit/vulnerable.json").read_bytes(), [STARLETTE, ANYIO])

    assert (found.package, found.id, found.aliases) == (STARLETTE, "CVE-2024-47874", ("GHSA-f96h-pmfr-66vw",))
    assert (found.fixed_in, found.severity) == ("0.40.0", Severity.UNKNOWN)
    assert parse((SAMPLES / "pip_audit/clean.json").read_bytes(), [STARLETTE, ANYIO]) == []


def test_a_package_that_only_some_platforms_install_may_be_absent() -> None:
    conditional = Package("async-timeout", "5.0.1", 3, conditional=True)

    assert parse((SAMPLES / "pip_audit/clean.json").read_bytes(), [STARLETTE, ANYIO, conditional]) == []


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"[]",
        b"{}",
        b'{"dependencies": []}',
        b'{"dependencies": [{"name": "starlette", "version": "0.38.0", "vulns": []}]}',
        b'{"dependencies": [{"name": "starlette", "skip_reason": "x"}, {"name": "anyio", "version": "1"}]}',
        (SAMPLES / "pip_audit/truncated.json").read_bytes(),
        (SAMPLES / "pip_audit/unreachable.json").read_bytes(),
    ],
)
def test_a_report_without_every_package_is_not_clean(report: bytes) -> None:
    with pytest.raises(ValueError, match=r"not audited|validation error"):
        parse(report, [STARLETTE, ANYIO])


def test_a_live_service_is_asked(tmp_path: Path) -> None:
    files = {"backend/requirements.lock": f"anyio==4.0.0 {HASH}\nstarlette==0.38.0 {HASH}\n"}

    with advisory_service() as address:
        run = PipAudit(address).scan(a_request(tmp_path, files, files))

    evidence = evidence_of(run)
    [finding] = evidence.findings
    assert (finding.package, finding.fixed_in, finding.line) == ("starlette", "0.40.0", 2)
    assert finding.severity.effective is Severity.HIGH
    assert not finding.is_new
    assert evidence.measures["packages"] == 2
    assert evidence.tool.version != "unknown"
    assert evidence.measures["snapshot_age_days"] == 0
    assert evidence.notes[0] == f"Judged by the live advisories of {address}."


def test_a_service_that_does_not_answer_is_no_evidence(tmp_path: Path) -> None:
    files = {"backend/requirements.lock": f"anyio==4.0.0 {HASH}\n"}

    reason = reason_of(PipAudit("http://127.0.0.1:9").scan(a_request(tmp_path, files)))

    assert "no complete report" in reason
    assert "Connection" in reason


def test_running_out_of_time_is_no_evidence(tmp_path: Path) -> None:
    request = a_request(
        tmp_path, {"backend/requirements.lock": f"anyio==4.0.0 {HASH}\n"}, stage=a_stage(timeout_seconds=0.05)
    )

    assert "ran out of time" in reason_of(PipAudit("http://127.0.0.1:9").scan(request))


def test_a_lock_that_can_not_be_read_is_no_evidence(tmp_path: Path) -> None:
    assert "has no lock" in reason_of(PipAudit("http://127.0.0.1:9").scan(a_request(tmp_path, {})))


def test_a_lock_of_npm_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    files = {
        "backend/requirements.lock": f"anyio==4.0.0 {HASH}\n",
        "backend/package-lock.json": package_lock({"minimist": "1.2.0"}),
    }

    reason = reason_of(PipAudit("http://127.0.0.1:9").scan(a_request(tmp_path, files)))

    assert reason.startswith("backend/package-lock.json can't be judged by this tool")
