"""A tool that works in a pod of its own gives what it gives here, and nothing that a pod brings is taken on trust."""

import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from shopkart_pipeline.adapters.declared_command import DeclaredCommand
from shopkart_pipeline.adapters.step_pod.builder import BuilderInPod
from shopkart_pipeline.adapters.step_pod.carry_out import Tools
from shopkart_pipeline.adapters.step_pod.documents import ReportEntry, Result, dump_result
from shopkart_pipeline.adapters.step_pod.errand import ADDRESS, PACKAGE_DIGEST, WORD
from shopkart_pipeline.adapters.step_pod.packing import pack
from shopkart_pipeline.adapters.step_pod.scanner import ScannerInPod
from shopkart_pipeline.domain.declaration import Service, Stage, StageKind
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Tool, ToolRun
from shopkart_pipeline.domain.step_pods import StepPodOrder
from shopkart_pipeline.domain.waiver import Waiver
from shopkart_pipeline.ports.builder import ApplicationBuilder
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest
from shopkart_pipeline.ports.scm import SourceControl
from shopkart_pipeline_tests.fakes.fake_scm import FakeSourceControl
from shopkart_pipeline_tests.fakes.local_step_pods import LocalStepPods, errands
from shopkart_pipeline_tests.scan_requests import (
    NOON,
    a_release,
    a_request,
    a_service,
    a_stage,
    evidence_of,
    reason_of,
    write_files,
)

CLIENT = httpx.Client(trust_env=False, verify=False)
JUNIT = '<testsuite><testcase classname="tests.a" name="test_one"/></testsuite>'
TESTS = a_stage(StageKind.UNIT_TESTS, command=("/bin/sh", "run.sh"), junit="junit.xml")
RUN = f"echo '{JUNIT}' > junit.xml; echo forty-two; test -f ../README || exit 9"


class NoBuilder(ApplicationBuilder):
    """Makes a folder with a file, or nothing."""

    name = "python"

    def __init__(self, fails: bool = False) -> None:
        self.fails, self.made = fails, 0

    def install(self, service: Service, tree: Path, environment: Path, log: Path, timeout_seconds: float) -> ToolRun:
        return self._make(environment)

    def build(
        self, service: Service, tree: Path, environment: Path, application: Path, log: Path, timeout_seconds: float
    ) -> ToolRun:
        return self._make(application)

    def _make(self, target: Path) -> ToolRun:
        if self.fails:
            return ToolRun(EvidenceMissing("the index is down"))
        if not target.exists():
            self.made += 1
            write_files(target, {"lib/a.py": "1"})
        return ToolRun(Evidence(Tool("uv", "1"), f"{len(list(target.rglob('*.py')))} file"))


def tools(home: Path, service: Service, builder: ApplicationBuilder | None = None) -> Tools:
    def scanners(scm: SourceControl) -> dict[StageKind, tuple[Scanner, ...]]:
        return {stage.kind: (DeclaredCommand(scm),) for stage in service.stages}

    return Tools(lambda name: service, scanners, builder or NoBuilder(), home)


def asked(tmp_path: Path, stage: Stage = TESTS, **files: str) -> tuple[ScanRequest, Service]:
    service = a_service("backend", ("servicekit",), stage)
    tree = {"backend/run.sh": RUN, "README": "", **files}
    return a_request(tmp_path, tree, {"README": ""}, stage=stage, service=service), service


def in_pod(pods: LocalStepPods, tmp_path: Path) -> ScannerInPod:
    return ScannerInPod(DeclaredCommand(FakeSourceControl()), errands(pods, tmp_path / "private"), FakeSourceControl())


def test_a_command_gives_the_same_evidence_as_beside_its_run(tmp_path: Path) -> None:
    request, service = asked(tmp_path)
    here = evidence_of(DeclaredCommand(FakeSourceControl()).scan(request))
    pods = LocalStepPods(tools(tmp_path / "pod", service))
    run = in_pod(pods, tmp_path).scan(replace(request, scratch=write_files(tmp_path / "other", {})))
    there = evidence_of(run)
    assert (there.measures["tests"], there.summary, there.tool) == (1.0, here.summary, here.tool)
    assert [note for note in there.notes if note not in here.notes] == [
        "Its tool ran in a pod of its own, without the pipeline's home, secrets or databases."
    ]
    assert {report.name for report in run.raw} == {"junit.xml", "tests.json"}
    assert (tmp_path / "pod/logs/step.log").read_text() == "forty-two\n"
    assert not list((tmp_path / "private").iterdir())


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    request, service = asked(tmp_path, **{"backend/run.sh": "echo no such thing; exit 3"})
    reason = reason_of(in_pod(LocalStepPods(tools(tmp_path / "pod", service)), tmp_path).scan(request))
    assert "exit code 3: no such thing" in reason


def test_the_environment_comes_along(tmp_path: Path) -> None:
    stage = replace(TESTS, command=("{python}", "run.py"))
    environment = write_files(tmp_path / "environments" / "abc", {"lib/marker": "here"})
    (environment / "bin").mkdir()
    (environment / "bin/python").symlink_to(sys.executable)
    look = "import pathlib, sys; marker = pathlib.Path(sys.argv[0]).resolve()\n"
    look += f"pathlib.Path('junit.xml').write_text({JUNIT!r})\n"
    request, service = asked(tmp_path, stage, **{"backend/run.py": look})
    pods = LocalStepPods(tools(tmp_path / "pod", service))
    assert evidence_of(in_pod(pods, tmp_path).scan(replace(request, environment=environment))).measures["tests"] == 1
    assert (tmp_path / "pod/work/environments/abc/lib/marker").read_text() == "here"


def forged(
    result: Evidence | EvidenceMissing, *reports: ReportEntry, link: str = "", instead: bytes = b"1.0"
) -> Callable[[StepPodOrder], None]:
    """A pod whose code says what it likes; `instead` of its measure, too."""

    def behave(order: StepPodOrder) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "result").write_bytes(dump_result(Result(result, reports)).replace(b"1.0", instead))
            (folder / "reports").mkdir()
            if link:
                (folder / "reports" / "0").symlink_to(link)
            pack({"result": folder / "result", "reports": folder / "reports"}, folder / "bringing")
            put(order, (folder / "bringing").read_bytes())

    return behave


def put(order: StepPodOrder, content: bytes, word: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {word or order.extras[WORD]}"}
    return CLIENT.put(f"{order.extras[ADDRESS]}/result", content=content, headers=headers)


def raw(order: StepPodOrder, said_bytes: int, body: bytes) -> bytes:
    """What is answered to a result that says another length than it has."""
    where = urlsplit(order.extras[ADDRESS])
    head = f"PUT /result HTTP/1.0\r\nAuthorization: Bearer {order.extras[WORD]}\r\nContent-Length: {said_bytes}\r\n\r\n"
    with socket.create_connection((str(where.hostname), int(where.port or 0)), 5.0) as connection:
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(100)


FINE = Evidence(Tool("sh", "unknown", "/bin/sh run.sh"), "fine", {"tests": 1.0})
FORGED: dict[str, tuple[Callable[[StepPodOrder], None], str]] = {
    "facts": (forged(replace(FINE, facts={"digest": "sha256:" + "a" * 64})), "claims facts or waivers"),
    "waivers": (
        forged(replace(FINE, waivers=(Waiver("unit_tests", "why", "me@shopkart.example", NOON, "waivers.yaml:1"),))),
        "claims facts or waivers",
    ),
    "reports out of place": (forged(FINE, ReportEntry("../../etc/passwd", "text/plain")), "names can't be"),
    "reports that are not there": (forged(FINE, ReportEntry("junit.xml", "text/plain")), "FileNotFoundError"),
    "a report that is a link": (
        forged(FINE, ReportEntry("junit.xml", "text/plain"), link="../result"),
        "leads out of what was made",
    ),
    "no end of measures": (forged(replace(FINE, measures={str(n): 1.0 for n in range(300)})), "too many findings"),
    "measures that are no numbers": (forged(FINE, instead=b"NaN"), "measures that are no numbers"),
    "no end of words": (forged(replace(FINE, summary="x" * 30_000)), "too many words"),
    "no package": (lambda order: put(order, b"nothing") and None, "malformed"),
    "half of a package": (lambda order: put(order, b"\0\0\0\x99{") and None, "cut off"),
}


@pytest.mark.parametrize(("behave", "told"), FORGED.values(), ids=FORGED)
def test_a_forged_result_is_no_evidence(tmp_path: Path, behave: Callable[[StepPodOrder], None], told: str) -> None:
    request, _ = asked(tmp_path)
    reason = reason_of(in_pod(LocalStepPods(behave=behave), tmp_path).scan(request))
    assert told in reason
    assert "not believed" in reason


def test_code_that_forges_its_own_result_gets_no_other_tools_name(tmp_path: Path) -> None:
    request, _ = asked(tmp_path)
    behave = forged(replace(FINE, tool=Tool("trivy", "9", "all of them")))
    assert evidence_of(in_pod(LocalStepPods(behave=behave), tmp_path).scan(request)).tool == FINE.tool


@pytest.mark.parametrize("reason", ["it used more memory than its limit", "its image can't be pulled"])
def test_a_pod_that_ended_badly_has_no_result_whatever_it_brought(tmp_path: Path, reason: str) -> None:
    request, _ = asked(tmp_path)

    def behave(order: StepPodOrder) -> str:
        forged(FINE)(order)
        return reason

    assert reason_of(in_pod(LocalStepPods(behave=behave), tmp_path).scan(request)) == f"the stage's pod: {reason}"


def test_a_pod_that_brings_nothing_has_done_nothing(tmp_path: Path) -> None:
    request, _ = asked(tmp_path)
    reason = reason_of(in_pod(LocalStepPods(behave=lambda order: None), tmp_path).scan(request))
    assert reason == "the stage's pod ended and brought no result"


def test_a_result_that_stops_before_its_end_is_told(tmp_path: Path) -> None:
    request, _ = asked(tmp_path)

    def behave(order: StepPodOrder) -> None:
        raw(order, 100, b"x" * 60)

    assert "stopped 40 bytes before its end" in reason_of(in_pod(LocalStepPods(behave=behave), tmp_path).scan(request))


def test_only_the_word_lets_in_and_only_until_the_result(tmp_path: Path) -> None:
    request, _ = asked(tmp_path)
    seen = list[int]()

    def behave(order: StepPodOrder) -> None:
        address, right = order.extras[ADDRESS], {"Authorization": f"Bearer {order.extras[WORD]}"}
        for path, headers in {
            "/package": dict[str, str | bytes](),
            "/package?": {"Authorization": "Bearer ü".encode()},
            "/package#": {"Authorization": f"Bearer {order.extras[WORD][:-1]}"},
        }.items():
            seen.append(CLIENT.get(address + path, headers=headers).status_code)
        assert seen == [403, 403, 403]
        assert CLIENT.get(address + "/etc/passwd", headers=right).status_code == 404
        assert CLIENT.post(address + "/package", headers=right).status_code == 501
        assert CLIENT.get(address + "/package", headers=right).status_code == 200
        assert put(order, b"x", "wrong").status_code == 403
        assert raw(order, 10**12, b"").startswith(b"HTTP/1.0 413")
        assert raw(order, -1, b"").startswith(b"HTTP/1.0 411")
        forged(FINE)(order)
        assert put(order, b"x").status_code == 403
        assert CLIENT.get(address + "/package", headers=right).status_code == 403

    assert evidence_of(in_pod(LocalStepPods(behave=behave), tmp_path).scan(request)).summary == "fine"


def test_the_handover_is_over_when_the_step_is(tmp_path: Path) -> None:
    request, service = asked(tmp_path)
    pods = LocalStepPods(tools(tmp_path / "pod", service))
    in_pod(pods, tmp_path).scan(request)
    with pytest.raises(httpx.ConnectError):
        put(pods.orders[0], b"x")


def test_another_package_is_not_worked_on(tmp_path: Path) -> None:
    request, service = asked(tmp_path)
    told = tools(tmp_path / "pod", service)

    def behave(order: StepPodOrder) -> str | None:
        extras = {**order.extras, PACKAGE_DIGEST: "sha256:" + "0" * 64}
        with pytest.raises(UntrustedInput, match="where sha256:0000"):
            LocalStepPods(told).run(replace(order, extras=extras), request.log)
        return "it ended with exit code 1"

    assert "exit code 1" in reason_of(in_pod(LocalStepPods(behave=behave), tmp_path).scan(request))


def test_two_stages_at_once_get_what_is_theirs(tmp_path: Path) -> None:
    found = dict[str, str]()

    def scan(name: str) -> None:
        folder = tmp_path / name
        failing = {"backend/run.sh": f"echo I am {name}; exit 4"}
        request, service = asked(folder, **failing)
        pods = LocalStepPods(tools(folder / "pod", service))
        found[name] = reason_of(in_pod(pods, folder).scan(request))

    threads = [threading.Thread(target=scan, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert all(f"I am {name}" in found[name] for name in ("one", "two"))


def test_what_is_built_elsewhere_lies_here_and_is_looked_at_here(tmp_path: Path) -> None:
    stage = a_stage(StageKind.APPLICATION)
    service, tree = a_service("backend", (), stage), write_files(tmp_path / "tree", {"a": ""})
    there, here = NoBuilder(), NoBuilder()
    pods = LocalStepPods(tools(tmp_path / "pod", service, there))
    builder = BuilderInPod(here, errands(pods, tmp_path / "private"), a_release(), stage)
    application, environment = tmp_path / "releases" / "application", tmp_path / "environments" / "abc"
    for _ in range(2):
        run = builder.build(service, tree, environment, application, tmp_path / "log", 30.0)
        assert evidence_of(run).summary == "1 file"
    assert (there.made, here.made, len(pods.orders)) == (1, 0, 1)
    assert (application / "lib/a.py").read_text() == "1"
    assert [path.name for path in application.parent.iterdir()] == ["application"]


def test_a_build_that_fails_elsewhere_leaves_nothing_here(tmp_path: Path) -> None:
    stage = a_stage(StageKind.DEPENDENCIES)
    service, tree = a_service("backend", (), stage), write_files(tmp_path / "tree", {"a": ""})
    pods = LocalStepPods(tools(tmp_path / "pod", service, NoBuilder(fails=True)))
    builder = BuilderInPod(NoBuilder(), errands(pods, tmp_path / "private"), a_release(), stage)
    environment = tmp_path / "environments" / "abc"
    assert reason_of(builder.install(service, tree, environment, tmp_path / "log", 30.0)) == "the index is down"
    assert not environment.exists()


def test_no_free_port_is_a_reason(tmp_path: Path) -> None:
    request, _ = asked(tmp_path)
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        sent = replace(errands(LocalStepPods(), tmp_path / "private"), ports=(port, port))
        run = ScannerInPod(DeclaredCommand(FakeSourceControl()), sent, FakeSourceControl()).scan(request)
    assert "is free" in reason_of(run)
