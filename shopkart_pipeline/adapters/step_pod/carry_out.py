"""The pod's side: fetch the package, do what the order says with the very tool that it names, bring back the result.

The package is believed only if it is the one that the pod was made for, by its digest. Trees and reports lie in
a folder of this step; the environment lies where it lies in every pod, since what is installed in it may know its path.
A tool that fails is a result like any other; what fails here ends the pod badly, and the run says so.
"""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters._http import Ask, HttpClient
from shopkart_pipeline.adapters.step_pod._history import ToldHistory
from shopkart_pipeline.adapters.step_pod.documents import (
    Act,
    Order,
    ReportEntry,
    Result,
    dump_result,
    load_order,
)
from shopkart_pipeline.adapters.step_pod.errand import ORDER as ORDER_PART
from shopkart_pipeline.adapters.step_pod.errand import OUTPUT, OUTPUT_LIMITS, REPORT_LIMITS, REPORTS, RESULT_PART
from shopkart_pipeline.adapters.step_pod.handover import PACKAGE, RESULT
from shopkart_pipeline.adapters.step_pod.packing import Limits, pack, unpack
from shopkart_pipeline.adapters.step_pod.scanner import BASE, EARLIER, ENVIRONMENT, TREE
from shopkart_pipeline.domain.declaration import Service, Stage, StageKind
from shopkart_pipeline.domain.errors import PipelineError, UntrustedInput, words_of
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Tool, ToolRun
from shopkart_pipeline.ports.builder import ApplicationBuilder
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest
from shopkart_pipeline.ports.scm import SourceControl

_FETCH_SECONDS = 300.0
_BRING_SECONDS = 600.0
_MADE = Evidence(Tool("step", "1"), "made")
"""Says that an output is there; what is in it the run finds out itself."""


@dataclass(frozen=True)
class Tools:
    """What the image has."""

    service: Callable[[str], Service]
    scanners: Callable[[SourceControl], Mapping[StageKind, tuple[Scanner, ...]]]
    """By kind of stage; with them is given who tells the history."""
    builder: ApplicationBuilder
    home: Path


def carry_out(address: str, word: str, digest: str, tools: Tools) -> None:
    """Do one step.

    Args:
        address: of the run's handover.
        word: by which it lets in.
        digest: `sha256:` of the package.
        tools: what can be done here.

    Raises:
        PipelineError, OSError: it can't be done, and nothing was brought back.
    """
    client = HttpClient("the run", address, authorization=lambda: f"Bearer {word}")
    folder = tools.home / "work" / "step"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as held:
        place = Path(held)
        _fetch(client, place / "package", digest)
        order = _unpacked(place, tools.home)
        output = place / OUTPUT
        run = _done(order, place, output, tools)
        _bring(client, place, run, output, order.act)


def _fetch(client: HttpClient, target: Path, digest: str) -> None:
    with target.open("wb") as stream:
        client.download(Ask("GET", PACKAGE, timeout_seconds=_FETCH_SECONDS, limit_bytes=Limits().size_bytes), stream)
    with target.open("rb") as stream:
        found = f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
    if found != digest:
        raise UntrustedInput(f"The package is {found}, where {digest} was named.", "Run the stage again.")


def _unpacked(place: Path, home: Path) -> Order:
    """Bring everything to its place, the order first: it says where the environment belongs."""
    environments = home / "work" / "environments"
    environments.mkdir(parents=True, exist_ok=True)
    names = (ORDER_PART, TREE, BASE, *(f"{EARLIER}-{number}" for number in range(1000)))
    staged = place / ENVIRONMENT
    unpack(place / "package", {**{name: place / name for name in names}, ENVIRONMENT: staged})
    (place / "package").unlink()
    order = load_order((place / ORDER_PART).read_bytes())
    if staged.exists():
        if not order.environment or "/" in order.environment or order.environment.startswith("."):
            raise UntrustedInput(f"{order.environment!r} names no environment.", "Use one image everywhere.")
        if not (environments / order.environment).exists():
            staged.rename(environments / order.environment)
    return order


def _done(order: Order, place: Path, output: Path, tools: Tools) -> ToolRun:
    service = tools.service(order.service)
    stage = service.stage(order.stage)
    log = tools.home / "logs" / "step.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = tools.home / "work" / "environments" / (order.environment or "none")
    try:
        match order.act:
            case Act.SCAN:
                request = _request(order, place, service, stage, environment, log)
                return _scanner(order, stage, tools).scan(request)
            case Act.INSTALL:
                run = tools.builder.install(service, place / TREE, environment, log, stage.timeout_seconds)
                return _with_output(run, environment, output)
            case Act.BUILD:
                made = tools.home / "work" / "releases" / "step" / "application"
                run = tools.builder.build(service, place / TREE, environment, made, log, stage.timeout_seconds)
                return _with_output(run, made, output)
    except PipelineError as error:
        return ToolRun(EvidenceMissing(words_of(error)))


def _with_output(run: ToolRun, made: Path, output: Path) -> ToolRun:
    if isinstance(run.result, EvidenceMissing):
        return ToolRun(EvidenceMissing(run.result.reason, run.result.tool))
    made.rename(output)
    return ToolRun(_MADE)


def _scanner(order: Order, stage: Stage, tools: Tools) -> Scanner:
    for scanner in tools.scanners(ToldHistory(order.history)).get(stage.kind, ()):
        if scanner.name == order.tool:
            return scanner
    raise UntrustedInput(f"There is no tool {order.tool!r} here.", "Use one image everywhere.")


def _request(order: Order, place: Path, service: Service, stage: Stage, environment: Path, log: Path) -> ScanRequest:
    scratch = place / "scratch"
    scratch.mkdir()
    return ScanRequest(
        release=order.release,
        service=service,
        stage=stage,
        tree=place / TREE,
        scratch=scratch,
        log=log,
        base_commit=order.base_commit,
        base_tree=_if_there(place / BASE),
        environment=environment if order.environment else None,
        image_digest=order.image_digest,
        url=order.url,
        variables=order.variables,
        reports={name: place / f"{EARLIER}-{number}" for number, name in enumerate(order.reports)},
    )


def _if_there(path: Path) -> Path | None:
    return path if path.exists() else None


def _bring(client: HttpClient, place: Path, run: ToolRun, output: Path, act: Act) -> None:
    entries = tuple(ReportEntry(each.name, each.media_type) for each in run.raw)
    (place / RESULT_PART).write_bytes(dump_result(Result(run.result, entries)))
    reports = place / REPORTS
    reports.mkdir()
    for number, report in enumerate(run.raw):
        (reports / str(number)).write_bytes(report.content)
    parts = {RESULT_PART: place / RESULT_PART, REPORTS: reports, **({OUTPUT: output} if output.exists() else {})}
    limits = REPORT_LIMITS if act is Act.SCAN else OUTPUT_LIMITS
    pack(parts, place / "bringing", limits)
    client.ask(Ask("PUT", RESULT, (204,), body=place / "bringing", timeout_seconds=_BRING_SECONDS))
