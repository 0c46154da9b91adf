"""Locks judged by a live service that speaks OSV, over real HTTP on this machine."""

import json
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.adapters.osv_service import OsvService
from shopkart_pipeline.domain.evidence import Severity, ToolRun
from shopkart_pipeline_tests.advisory_snapshots import an_advisory
from shopkart_pipeline_tests.fakes.fake_osv import FakeOsv, a_service, osv_service
from shopkart_pipeline_tests.package_locks import package_lock
from shopkart_pipeline_tests.scan_requests import a_request, a_stage, evidence_of, reason_of

PYTHON = an_advisory("GHSA-1", aliases=["CVE-1"], database_specific={"severity": "HIGH"})
NPM = an_advisory("GHSA-2", "lodash", ecosystem="npm", events=[{"introduced": "0"}, {"fixed": "4.17.21"}])
LOCKS = {
    "backend/requirements.lock": "h11==0.16.0\nstarlette==0.38.0\n",
    "backend/package-lock.json": package_lock({"lodash": "4.17.15", "@types/node": "20.0.0"}),
}


def scan(folder: Path, service: FakeOsv, base: dict[str, str] | None = None, **stage: Any) -> ToolRun:
    with osv_service(service) as address:
        request = a_request(folder / "request", LOCKS, base, stage=a_stage(**stage))
        return OsvService(address, folder / "cache").scan(request)


def test_locks_of_every_ecosystem_are_judged_with_severities(tmp_path: Path) -> None:
    evidence = evidence_of(scan(tmp_path, a_service(PYTHON, NPM)))

    assert [(one.rule, one.package, one.installed_version, one.fixed_in, one.path) for one in evidence.findings] == [
        ("GHSA-2", "lodash", "4.17.15", "4.17.21", "backend/package-lock.json"),
        ("GHSA-1", "starlette", "0.38.0", "0.40.0", "backend/requirements.lock"),
    ]
    assert [one.severity for one in evidence.findings] == [Severity.UNKNOWN, Severity.HIGH]
    assert evidence.measures == {
        "vulnerabilities": 2,
        "new_vulnerabilities": 2,
        "packages": 4,
        "snapshot_age_days": 0,
    }
    assert evidence.notes[0].startswith("Judged by the live advisories of http://127.0.0.1:")


def test_nothing_found_is_evidence_if_the_service_knows_anything(tmp_path: Path) -> None:
    assert evidence_of(scan(tmp_path / "a", a_service())).findings == ()
    assert reason_of(scan(tmp_path / "b", FakeOsv())) == (
        "the advisory service warns of nothing in jinja2 2.4.1 of PyPI: it knows no advisories"
    )


def test_what_the_base_was_vulnerable_to_is_not_new(tmp_path: Path) -> None:
    base = {"backend/requirements.lock": "starlette==0.37.0\n"}

    evidence = evidence_of(scan(tmp_path, a_service(PYTHON, NPM), base))

    assert {one.package: one.is_new for one in evidence.findings} == {"starlette": False, "lodash": True}


def test_aliases_are_one_vulnerability(tmp_path: Path) -> None:
    evidence = evidence_of(scan(tmp_path, a_service(PYTHON, an_advisory("PYSEC-1", aliases=["CVE-1"]))))

    assert [(one.rule, one.severity) for one in evidence.findings] == [("GHSA-1", Severity.HIGH)]


def test_withdrawn_advisories_concern_nobody(tmp_path: Path) -> None:
    service = a_service(PYTHON)
    withdrawn = service.advisories["GHSA-1"] | {"withdrawn": "2025-01-01T00:00:00Z"}
    service.replies["/v1/vulns/GHSA-1"] = json.dumps(withdrawn).encode()

    assert evidence_of(scan(tmp_path, service)).findings == ()


def test_the_services_word_counts_where_an_advisory_does_not_name_the_package(tmp_path: Path) -> None:
    service = a_service(PYTHON)
    service.replies["/v1/vulns/GHSA-1"] = json.dumps(service.advisories["GHSA-1"] | {"affected": []}).encode()

    [finding] = evidence_of(scan(tmp_path, service)).findings
    assert (finding.package, finding.fixed_in, finding.fix_unknown) == ("starlette", None, True)


def test_all_pages_are_read(tmp_path: Path) -> None:
    advisories = [an_advisory(f"GHSA-{number}") for number in range(7)]

    evidence = evidence_of(scan(tmp_path, a_service(*advisories, page_size=3)))

    assert len(evidence.findings) == 7


def test_no_more_than_a_thousand_packages_are_asked_about_at_once(tmp_path: Path) -> None:
    service = a_service(NPM)
    names = {f"package-{number}": "1.0.0" for number in range(2100)}
    with osv_service(service) as address:
        files = {"backend/package-lock.json": package_lock({**names, "lodash": "4.17.15"})}
        evidence = evidence_of(OsvService(address, tmp_path / "cache").scan(a_request(tmp_path, files)))

    assert service.batches == [1000, 1000, 102]
    assert [one.package for one in evidence.findings] == ["lodash"]


def test_an_advisory_is_fetched_again_only_when_it_changed(tmp_path: Path) -> None:
    service = a_service(PYTHON)
    scan(tmp_path / "one", service)
    scan(tmp_path / "one", service)
    fetched = service.paths.count("/v1/vulns/GHSA-1")
    service.learn({**PYTHON, "modified": "2025-03-01T00:00:00Z", "database_specific": {"severity": "CRITICAL"}})

    evidence = evidence_of(scan(tmp_path / "one", service))

    assert (fetched, service.paths.count("/v1/vulns/GHSA-1")) == (1, 2)
    assert evidence.findings[0].severity is Severity.CRITICAL


@pytest.mark.parametrize("content", ["", "{}", "[" * 100_000])
def test_a_damaged_memory_is_asked_again(tmp_path: Path, content: str) -> None:
    scan(tmp_path, a_service(PYTHON))
    for kept in (tmp_path / "cache").iterdir():
        kept.write_text(content)

    assert len(evidence_of(scan(tmp_path, a_service(PYTHON))).findings) == 1


@pytest.mark.parametrize("name", ["../../../etc/passwd", "a/b?c#d", "RHSA-2024:1234", "GHSA-" + "x" * 300])
def test_names_of_advisories_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    evidence = evidence_of(scan(tmp_path, a_service(an_advisory(name))))

    assert [one.rule for one in evidence.findings] == [name]
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".json"]


@pytest.mark.parametrize(
    ("path", "reply", "reason"),
    [
        ("/v1/querybatch", b"", "answered can't be read"),
        ("/v1/querybatch", b"{}", "answered can't be read"),
        ("/v1/querybatch", b'{"results": []}', "gave 0 answers to 6 questions"),
        ("/v1/querybatch", b'{"results": [null, null, null, null, null, null]}', "answered can't be read"),
        ("/v1/querybatch", b'{"results": [{}, {}, {}, {}, {}, {}]}', "it knows no advisories"),
        ("/v1/querybatch", b'{"results": [' + b"[" * 100_000, "answered can't be read"),
        ("/v1/querybatch", b"x" * 17_000_000, "more than 16777216 bytes"),
        ("/v1/vulns/GHSA-1", b"", "answered can't be read"),
        ("/v1/vulns/GHSA-1", b'{"id": "GHSA-1", "aff', "answered can't be read"),
        ("/v1/vulns/GHSA-1", b'{"id": "GHSA-7"}', "answered 'GHSA-7' when asked for 'GHSA-1'"),
    ],
)
def test_an_answer_that_is_not_whole_is_no_evidence(tmp_path: Path, path: str, reply: bytes, reason: str) -> None:
    assert reason in reason_of(scan(tmp_path, a_service(PYTHON, replies={path: reply})))


def test_an_answer_without_end_is_no_evidence(tmp_path: Path) -> None:
    endless = json.dumps({"results": [{"next_page_token": "x"}] * 6}).encode()

    assert "no end after 100 pages" in reason_of(scan(tmp_path, a_service(replies={"/v1/querybatch": endless})))


def test_an_advisory_that_is_not_there_is_no_evidence(tmp_path: Path) -> None:
    service = a_service(PYTHON)
    named = [{"vulns": [{"id": "GHSA-9", "modified": "2025-01-01T00:00:00Z"}]}] * 6
    service.replies["/v1/querybatch"] = json.dumps({"results": named}).encode()

    assert "answered 404 to GET" in reason_of(scan(tmp_path, service))


def test_a_service_that_does_not_answer_is_no_evidence(tmp_path: Path) -> None:
    run = OsvService("http://127.0.0.1:9", tmp_path / "cache").scan(a_request(tmp_path, LOCKS))

    assert "the advisory service does not answer POST http://127.0.0.1:9/v1/querybatch" in reason_of(run)


def test_a_user_in_the_address_is_told_nowhere(tmp_path: Path) -> None:
    run = OsvService("http://maya:hunter2@127.0.0.1:9", tmp_path / "cache").scan(a_request(tmp_path, LOCKS))

    assert "hunter2" not in repr(run)


def test_running_out_of_time_is_no_evidence(tmp_path: Path) -> None:
    assert "ran out of time" in reason_of(scan(tmp_path, a_service(PYTHON), timeout_seconds=0.0))


@pytest.mark.parametrize("lock", ["", "starlette\n", "starlette===odd version\n"])
def test_a_lock_that_can_not_be_judged_is_no_evidence(tmp_path: Path, lock: str) -> None:
    with osv_service(a_service()) as address:
        request = a_request(tmp_path, {"backend/requirements.lock": lock})

        assert reason_of(OsvService(address, tmp_path / "cache").scan(request))
