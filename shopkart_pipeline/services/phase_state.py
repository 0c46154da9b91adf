"""How far a release is in one of its phases: through, stopped, or on its way.

A phase is stopped as soon as the newest result of one of its stages does not pass, whatever others still do; it is
through when all of its stages have passed. Everything else is on its way, or has not begun.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.evidence import StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import GateResult, Outcome
from shopkart_pipeline.services.judge_release import judge_records
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.pull_requests import applicable_stages


@dataclass(frozen=True)
class PhaseState:
    """A release in a phase, as its evidence stands."""

    outcome: Outcome
    """`PASS`, `FAIL` (stopped, by missing evidence too), or `MISSING` while it is on its way."""
    lines: tuple[GateResult, ...]
    """All lines of its stages; those of stages that have not ended are among them, as missing."""
    ended: frozenset[str]
    """Stages that have left a result."""

    @property
    def blocking(self) -> tuple[GateResult, ...]:
        """The lines that stop it; not those that are only awaited."""
        return tuple(
            line for line in self.lines if line.outcome in (Outcome.FAIL, Outcome.MISSING) and line.stage in self.ended
        )


def phase_state(platform: Platform, release: Release, phase: Phase, records: Mapping[str, StageRecord]) -> PhaseState:
    """The state of a release in a phase.

    Args:
        platform: the ports.
        release: which release.
        phase: which phase.
        records: the newest record of each of its stages.
    """
    stages = [stage.name for stage in applicable_stages(platform.service(release.service), release, phase)]
    verdict = judge_records(platform, release, stages, records)
    state = PhaseState(verdict.outcome, verdict.results, frozenset(stages) & frozenset(records))
    if verdict.outcome is Outcome.PASS:
        return state
    return PhaseState(Outcome.FAIL if state.blocking else Outcome.MISSING, state.lines, state.ended)
