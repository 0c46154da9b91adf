"""One step from order to result, as the run sees it: pack, hand over, let the pod run, judge what came back.

Whatever goes wrong is a reason, never a result: a pod that ended well without bringing one has done nothing, and what
it brought counts only if it ended well, too.
"""

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters.step_pod.documents import (
    RESULT_LIMIT_BYTES,
    Act,
    Order,
    Result,
    dump_order,
    load_result,
)
from shopkart_pipeline.adapters.step_pod.handover import Handover, serving
from shopkart_pipeline.adapters.step_pod.packing import Limits, pack, unpack
from shopkart_pipeline.domain.errors import PipelineError, UntrustedInput, words_of
from shopkart_pipeline.domain.evidence import EvidenceMissing, RawReport
from shopkart_pipeline.domain.run_pods import RunPod
from shopkart_pipeline.domain.step_pods import StepPodOrder, StepPodPlace, seconds_of
from shopkart_pipeline.known_secrets import know_passing
from shopkart_pipeline.ports.step_pods import StepPods

ORDER, RESULT_PART, REPORTS, OUTPUT = "order", "result", "reports", "output"
ADDRESS, WORD, PACKAGE_DIGEST = "address", "word", "package"
"""What a pod's entry is told in the extras of Dagster Pipes."""
REPORT_LIMITS = Limits(512 * 1024**2, 1_000)
"""Of what a scan brings back."""
OUTPUT_LIMITS = Limits()
"""Of an environment or an application."""
HOW = "its tool ran in a pod of its own, without the pipeline's home, secrets or databases"


@dataclass(frozen=True)
class Errands:
    """What a run needs to have steps done elsewhere."""

    pods: StepPods
    place: StepPodPlace
    pod: RunPod
    scratch: Path
    """Where packages lie while they are handed over; nobody's commands reach it."""
    ports: tuple[int, int] | None = None
    """To hand over at; None for those that network policies let through."""

    def send(
        self, order: Order, parts: Mapping[str, Path], log: Path, timeout_seconds: float, output: Path | None = None
    ) -> "Brought | EvidenceMissing":
        """Have a pod carry out an order.

        Args:
            order: what it is to do.
            parts: what it gets beside the order, by name.
            log: the stage's log.
            timeout_seconds: what the stage may take.
            output: where what it makes goes, if it makes something; it must not exist.
        """
        self.scratch.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
                return self._send(Path(folder), order, parts, log, timeout_seconds, output)
        except (PipelineError, OSError) as error:
            return EvidenceMissing(f"what the stage works on can't be handed over: {words_of(error)}")

    def _send(
        self,
        folder: Path,
        order: Order,
        parts: Mapping[str, Path],
        log: Path,
        timeout_seconds: float,
        output: Path | None,
    ) -> "Brought | EvidenceMissing":
        (folder / ORDER).write_bytes(dump_order(order))
        digest = pack({**parts, ORDER: folder / ORDER}, folder / "package")
        limits = REPORT_LIMITS if order.act is Act.SCAN else OUTPUT_LIMITS
        handover = Handover(folder / "package", folder / "brought", limits.size_bytes)
        know_passing(handover.word)
        with serving(handover, _any_host(self.place), *(() if self.ports is None else (self.ports,))):
            extras = {
                ADDRESS: f"http://{_host(self.place)}:{handover.port}",
                WORD: handover.word,
                PACKAGE_DIGEST: digest,
            }
            step = f"{order.act}-{digest[-12:]}-{handover.word[:6].lower().replace('_', 'x').strip('-')}"
            ordered = StepPodOrder(step, self.pod, seconds_of(self.pod, timeout_seconds), extras)
            reason = self.pods.run(ordered, log)
        if reason is not None:
            return EvidenceMissing(f"the stage's pod: {reason}")
        if not handover.came:
            cut_off = f": {handover.cut_off}" if handover.cut_off else ""
            return EvidenceMissing(f"the stage's pod ended and brought no result{cut_off}")
        return _judged(folder, handover.target, limits, output)


@dataclass(frozen=True)
class Brought:
    """What a pod brought, as far as it is believed."""

    result: Result
    raw: tuple[RawReport, ...] = ()
    has_output: bool = False


def _judged(folder: Path, brought: Path, limits: Limits, output: Path | None) -> Brought | EvidenceMissing:
    places = {RESULT_PART: folder / RESULT_PART, REPORTS: folder / REPORTS}
    if output is not None:
        places[OUTPUT] = output
    try:
        found = unpack(brought, places, limits, links_to=_interpreters())
        document = folder / RESULT_PART
        if RESULT_PART not in found or not document.is_file() or document.stat().st_size > RESULT_LIMIT_BYTES:
            return EvidenceMissing("the stage's pod brought no result that could be read")
        result = load_result(document.read_bytes())
        raw = tuple(
            RawReport(entry.name, entry.media_type, _content(folder / REPORTS / str(number)))
            for number, entry in enumerate(result.reports)
        )
    except (PipelineError, OSError) as error:
        return EvidenceMissing(f"what the stage's pod brought is not believed: {words_of(error)}")
    return Brought(result, raw, OUTPUT in found)


def _content(file: Path) -> bytes:
    if file.is_symlink():
        raise UntrustedInput("A report is a link.", "Have the stage write its reports into files.")
    return file.read_bytes()


def _interpreters() -> Path:
    """Where environments may have links to."""
    return Path(sys.base_prefix)


def _host(place: StepPodPlace) -> str:
    return f"[{place.address}]" if ":" in place.address else place.address


def _any_host(place: StepPodPlace) -> str:
    return "::" if ":" in place.address else ""
