"""What is going on, for a person who looks on: which stage of which release runs, for how long, and why it stopped.

Lines are printed as things happen; on a terminal a last line that is redrawn shows what runs right now.
"""

from datetime import datetime

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from shopkart_pipeline.cli.report import stage_outcome
from shopkart_pipeline.cli.words import MARKS, STYLES
from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.ports.component_index import SBOM
from shopkart_pipeline.services.judge_release import stage_lines
from shopkart_pipeline.services.platform import Platform


class Watcher:
    """Tells what is new about one release since it last looked."""

    def __init__(self, console: Console, live: Live, platform: Platform, release: Release) -> None:
        self._console, self._live = console, live
        self._platform, self._release = platform, release
        self._told = set[str]()
        self._notes = 0

    def look(self, now: datetime, words: str = "") -> None:
        """Print what is new, and redraw what runs."""
        self._tell_notes()
        self._tell_stages()
        running = [
            f"{start.stage} {max(0.0, (now - start.started_at).total_seconds()):.0f}s"
            for start in self._platform.evidence.running(self._release.service, self._release.key)
        ]
        elapsed = (now - self._release.received_at).total_seconds()
        self._live.update(Text(f"  {elapsed:5.1f}s  {', '.join(running) or words}", style="cyan"))

    def _tell_stages(self) -> None:
        records = self._platform.evidence.latest(self._release.service, self._release.key)
        for record in sorted(records.values(), key=lambda each: each.finished_at):
            if record.stage in self._told:
                continue
            self._told.add(record.stage)
            service = self._platform.service(self._release.service)
            stage = service.stage(record.stage)
            outcome = stage_outcome(self._platform, self._release, stage, records)
            summary = record.result.summary if isinstance(record.result, Evidence) else record.result.reason
            at = (record.finished_at - self._release.received_at).total_seconds()
            mark = f"[{STYLES[outcome]}]{MARKS[outcome]}[/]"
            took = f"{record.duration_seconds:5.1f}s"
            self._console.print(f"  {at:5.1f}s {mark} {record.stage:<18} {took}  [dim]{escape(summary[:90])}[/]")
            for gate in stage_lines(self._platform, self._release, record, records):
                if gate.outcome not in (Outcome.PASS, Outcome.SKIPPED):
                    self._console.print(f"           [bold red]gate {escape(gate.line)}[/]")

    def _tell_notes(self) -> None:
        notes = self._platform.evidence.notes(self._release.service, self._release.key)
        for note in notes[self._notes :]:
            if note.kind == SBOM:
                continue
            at = (note.at - self._release.received_at).total_seconds()
            self._console.print(f"  {at:5.1f}s   [dim]{note.kind:<18}[/]        {escape(note.message[:110])}")
        self._notes = len(notes)
