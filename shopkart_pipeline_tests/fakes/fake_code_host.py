"""A code host in memory. It keeps what is shown, not what was sent, and can fail before or after a notice arrived."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.notice import Notice
from shopkart_pipeline.ports.code_host import CodeHost


@dataclass
class Shown:
    """One thing at the code host."""

    notice: Notice
    sarif: bytes = b""


@dataclass
class FakeCodeHost(CodeHost):
    """Shows notices by name."""

    shown: dict[str, Shown] = field(default_factory=dict[str, Shown])
    """By what the host calls the thing."""
    failures: list[tuple[PipelineError, bool]] = field(default_factory=list[tuple[PipelineError, bool]])
    """What the next sends raise, and whether the notice has arrived all the same."""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def send(self, notice: Notice, remote_id: str | None, *, maybe_sent: bool, sarif: bytes = b"") -> str:
        failure, arrives = self.failures.pop(0) if self.failures else (None, True)
        if arrives:
            remote_id = self._show(notice, remote_id, maybe_sent=maybe_sent, sarif=sarif)
        if failure is not None:
            raise failure
        assert remote_id is not None
        return remote_id

    def _show(self, notice: Notice, remote_id: str | None, *, maybe_sent: bool, sarif: bytes) -> str:
        if remote_id not in self.shown:
            same = [name for name, each in self.shown.items() if each.notice.about == notice.about]
            remote_id = same[-1] if maybe_sent and same else str(next(self.numbers))
        self.shown[remote_id] = Shown(notice, sarif)
        return remote_id
