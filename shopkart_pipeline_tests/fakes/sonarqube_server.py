"""A SonarQube that speaks HTTP: the part of its Web API that the adapter uses, and a stand-in for its scanner.

The answers have the documented shapes of 9.9 LTA (`version="9.9.8.100196"`: parameters `componentKeys` and
`projectKey`, values of new code in `period` and `periods`) and of 2025.1 (`components` and `project`, `impacts`,
`period` alone). It is as strict as the real one: without the token 401, an unknown component or a parameter of another
version is an error, a search ends at 10,000. Where the real scanner hands in a zip of protocol buffers, the stand-in
posts what it was told as JSON, so that tests can look at it.
"""

import json
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

OLD, NEW = "9.9.8.100196", "2025.1.0.102418"
PROJECT = "shopkart_storefront_backend"
TASK, ANALYSIS = "AYhSC2-LY0CHkWJxvNA9", "b1d7a9d4-2c5f-4a57-9c5e-6f0f7c8d1e2a"
LISTED_AT_MOST = 10_000
Reply = tuple[int, str, bytes]


def as_json(body: object, status: int = 200) -> Reply:
    return status, "application/json", json.dumps(body).encode()


@dataclass(frozen=True)
class Seen:
    """One request."""

    path: str
    parameters: Mapping[str, str]
    authorization: str


def an_issue(key: str, **details: Any) -> dict[str, Any]:
    return {
        "key": key,
        "rule": "python:S1192",
        "severity": "MAJOR",
        "component": f"{PROJECT}:backend/app.py",
        "project": PROJECT,
        "line": 2,
        "status": "OPEN",
        "message": "Define a constant.",
        "type": "CODE_SMELL",
        **details,
    }


def a_hotspot(key: str, **details: Any) -> dict[str, Any]:
    return {
        "key": key,
        "ruleKey": "python:S5332",
        "component": f"{PROJECT}:backend/app.py",
        "project": PROJECT,
        "securityCategory": "encrypt-data",
        "vulnerabilityProbability": "LOW",
        "status": "TO_REVIEW",
        "line": 1,
        "message": "Use https.",
        **details,
    }


def _clean() -> dict[str, tuple[str | None, str | None]]:
    return {
        "violations": ("7", None),
        "new_violations": (None, "0"),
        "coverage": ("61.0", None),
        "new_coverage": (None, "91.25"),
        "lines_to_cover": ("400", None),
        "new_lines_to_cover": (None, "80"),
        "duplicated_lines_density": ("4.5", None),
        "new_duplicated_lines_density": (None, "1.5"),
        "security_hotspots": ("3", None),
        "new_security_hotspots": (None, "0"),
        "security_hotspots_reviewed": ("25.0", None),
        "new_security_hotspots_reviewed": (None, "100.0"),
        "lines": ("1200", None),
        "new_lines": (None, "120"),
        "ncloc": ("900", None),
        "ncloc_language_distribution": ("py=880;yaml=20", None),
    }


@dataclass
class FakeSonarQube:
    """One server with one project. What it says is in its fields; what it was asked is in `seen` and `submitted`."""

    token: str
    version: str = NEW
    statuses: list[str] = field(default_factory=lambda: ["PENDING", "IN_PROGRESS", "SUCCESS"])
    """Of the task, one for each time that it is asked for; the last one stays."""
    task: dict[str, Any] = field(default_factory=lambda: {"componentKey": PROJECT, "analysisId": ANALYSIS})
    gate: dict[str, Any] = field(default_factory=lambda: {"status": "OK", "conditions": [], "ignoredConditions": False})
    measures: dict[str, tuple[str | None, str | None]] = field(default_factory=_clean)
    """Over all code and on new code, by metric; a metric that is not here has no value."""
    period: dict[str, str] | None = field(
        default_factory=lambda: {
            "mode": "PREVIOUS_VERSION",
            "date": "2025-03-03T09:00:00+0000",
            "parameter": "base-0000",
        }
    )
    issues: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The worst first."""
    new_issues: set[str] = field(default_factory=set[str])
    hotspots: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    analyses: list[dict[str, Any]] = field(
        default_factory=lambda: [{"key": ANALYSIS, "date": "2025-03-04T12:00:00+0000"}]
    )
    replies: dict[str, Callable[[Mapping[str, str]], Reply]] = field(
        default_factory=dict[str, Callable[[Mapping[str, str]], Reply]]
    )
    """Answers by path that take the place of the usual ones."""
    seen: list[Seen] = field(default_factory=list[Seen])
    submitted: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    address: str = ""

    def asked(self, path: str) -> list[Seen]:
        return [one for one in self.seen if one.path == path]

    @property
    def _is_old(self) -> bool:
        return self.version.startswith("9.")

    def answer(self, path: str, parameters: Mapping[str, str]) -> Reply:
        if path in self.replies:
            return self.replies[path](parameters)
        answers: dict[str, Callable[[Mapping[str, str]], Reply]] = {
            "/api/ce/task": self._task,
            "/api/qualitygates/project_status": self._gate,
            "/api/qualitygates/get_by_project": self._gate_name,
            "/api/qualityprofiles/search": self._profiles,
            "/api/measures/component": self._measures,
            "/api/project_analyses/search": self._analyses,
            "/api/issues/search": self._issues,
            "/api/hotspots/search": self._hotspots,
        }
        return answers[path](parameters) if path in answers else _error(404, f"Unknown url : {path}")

    def submit(self, body: dict[str, Any]) -> Reply:
        self.submitted.append(body)
        return as_json({"taskId": TASK, "projectId": "AYhNmk00XxCL_lBVBziT"})

    def _task(self, parameters: Mapping[str, str]) -> Reply:
        if parameters["id"] != TASK or not self.submitted:
            return _error(404, f"No activity found for task '{parameters['id']}'")
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        ended = dict(self.task) if status not in ("PENDING", "IN_PROGRESS") else {"componentKey": PROJECT}
        return as_json({"task": {"id": TASK, "type": "REPORT", "status": status, **ended}})

    def _gate(self, parameters: Mapping[str, str]) -> Reply:
        if parameters.get("analysisId") != ANALYSIS:
            return _error(404, f"Analysis with id '{parameters.get('analysisId')}' is not found")
        old = {"periods": []} if self._is_old else {"caycStatus": "compliant"}
        return as_json({"projectStatus": {**self.gate, **old}})

    def _gate_name(self, parameters: Mapping[str, str]) -> Reply:
        return self._of_project(parameters, "project") or as_json(
            {"qualityGate": {"id": "1", "name": "Sonar way", "default": True}}
        )

    def _profiles(self, parameters: Mapping[str, str]) -> Reply:
        profiles = [
            {"key": "1", "name": "Sonar way", "language": "py", "rulesUpdatedAt": "2025-02-01T10:00:00+0000"},
            {"key": "2", "name": "Sonar way", "language": "java", "rulesUpdatedAt": "2025-02-01T10:00:00+0000"},
        ]
        return self._of_project(parameters, "project") or as_json({"profiles": profiles})

    def _measures(self, parameters: Mapping[str, str]) -> Reply:
        wanted = parameters["metricKeys"].split(",")
        if unknown := set(wanted) - set(_clean()):
            return _error(404, f"The following metric keys are not found: {', '.join(sorted(unknown))}")
        measures = [self._measure(name, *self.measures[name]) for name in wanted if name in self.measures]
        period = {"period": self.period} if self.period else {}
        component = {"key": PROJECT, "name": "backend", "qualifier": "TRK", "measures": measures}
        return self._of_project(parameters, "component") or as_json({"component": component, **period})

    def _measure(self, name: str, overall: str | None, new: str | None) -> dict[str, Any]:
        measure: dict[str, Any] = {"metric": name}
        if overall is not None:
            measure["value"] = overall
        if new is not None and self.period:
            measure["period"] = {"index": 1, "value": new, "bestValue": False}
            measure |= {"periods": [measure["period"]]} if self._is_old else {}
        return measure

    def _analyses(self, parameters: Mapping[str, str]) -> Reply:
        paging = {"pageIndex": 1, "pageSize": 100, "total": len(self.analyses)}
        return self._of_project(parameters, "project") or as_json({"paging": paging, "analyses": self.analyses})

    def _issues(self, parameters: Mapping[str, str]) -> Reply:
        new = parameters.get("inNewCodePeriod") == "true"
        found = [one for one in self.issues if not new or one["key"] in self.new_issues]
        wrong = self._of_project(parameters, "componentKeys" if self._is_old else "components")
        return wrong or self._listed(parameters, "issues", found)

    def _hotspots(self, parameters: Mapping[str, str]) -> Reply:
        wrong = self._of_project(parameters, "projectKey" if self._is_old else "project")
        return wrong or self._listed(parameters, "hotspots", self.hotspots)

    def _listed(self, parameters: Mapping[str, str], name: str, found: list[dict[str, Any]]) -> Reply:
        page, size = int(parameters["p"]), int(parameters["ps"])
        if size > 500 or page * size > LISTED_AT_MOST:
            return _error(400, f"Can return only the first {LISTED_AT_MOST} results.")
        items = found[(page - 1) * size : page * size]
        if self._is_old:
            items = [{key: value for key, value in one.items() if key != "impacts"} for one in items]
        return as_json({"paging": {"pageIndex": page, "pageSize": size, "total": len(found)}, name: items})

    def _of_project(self, parameters: Mapping[str, str], name: str) -> Reply | None:
        return None if parameters.get(name) == PROJECT else _error(404, f"Component key '{name}' not found")


def _error(status: int, message: str) -> Reply:
    return as_json({"errors": [{"msg": message}]}, status)


@contextmanager
def running(server: FakeSonarQube) -> Generator[FakeSonarQube]:
    """Serve until the end of the block; `address` says where."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            parameters = dict(parse_qsl(url.query))
            self._seen(url.path, parameters)
            if url.path == "/api/server/version" and url.path not in server.replies:
                self._send((200, "text/plain", server.version.encode()))
            elif not self._allowed() and url.path not in server.replies:
                self._send((401, "text/plain", b""))
            else:
                self._send(server.answer(url.path, parameters))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._seen(self.path, {})
            self._send(server.submit(json.loads(body)) if self._allowed() else (401, "text/plain", b""))

        def _allowed(self) -> bool:
            return self.headers.get("Authorization") == f"Bearer {server.token}"

        def _seen(self, path: str, parameters: Mapping[str, str]) -> None:
            server.seen.append(Seen(path, parameters, self.headers.get("Authorization", "")))

        def _send(self, reply: Reply) -> None:
            status, kind, content = reply
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", content.decode())
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    server.address = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


_SCANNER = """\
#!{python} -IS
import base64, json, os, sys, urllib.request
from pathlib import Path

settings = dict(word[2:].partition("=")[::2] for word in sys.argv[1:])
token = os.environ["SONAR_TOKEN"]
print("INFO: scanner with", token, "and", base64.b64encode(token.encode() + b":").decode(), flush=True)
print("DEBUG: Authorization: Bearer", token, file=sys.stderr, flush=True)
base = Path(settings["sonar.projectBaseDir"])
files = {{str(file.relative_to(base)): file.read_text(errors="replace") for file in base.rglob("*") if file.is_file()}}
said = {{"settings": settings, "variables": dict(os.environ), "arguments": sys.argv[1:], "files": files}}
host = settings["sonar.host.url"]
request = urllib.request.Request(host + "/api/ce/submit", json.dumps(said).encode())
request.add_header("Authorization", "Bearer " + token)
with urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request, timeout=20) as answer:
    task = json.load(answer)["taskId"]
report = {{
    "projectKey": settings["sonar.projectKey"],
    "serverUrl": host,
    "serverVersion": "2025.1.0.102418",
    "dashboardUrl": host + "/dashboard?id=" + settings["sonar.projectKey"],
    "ceTaskId": task,
    "ceTaskUrl": host + "/api/ce/task?id=" + task,
}}
report.update(json.loads({report!r}))
folder = Path(settings["sonar.working.directory"])
folder.mkdir(exist_ok=True)
if report["ceTaskId"] != "nothing":
    (folder / "report-task.txt").write_text("".join(f"{{key}}={{value}}\\n" for key, value in report.items()))
print("INFO: EXECUTION", "FAILURE" if {exit_code} else "SUCCESS", token, flush=True)
sys.exit({exit_code})
"""


def write_scanner(folder: Path, python: str, *, exit_code: int = 0, report: Mapping[str, str] | None = None) -> Path:
    """Write a program that behaves as a scanner does; it tells its token to anybody who reads what it prints.

    Args:
        folder: where it is to lie, under the name of the scanner.
        python: interpreter that runs it.
        exit_code: how it ends.
        report: entries of `report-task.txt` that differ; a `ceTaskId` of `nothing` leaves no such file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "sonar-scanner"
    program.write_text(_SCANNER.format(python=python, exit_code=exit_code, report=json.dumps(dict(report or {}))))
    program.chmod(0o755)
    return program
