"""What the answers to probes mean: started, ready for traffic, to be restarted.

Decisions without effects. A process that answers "not ready" is believed at once; one that doesn't answer at all gets
three chances, because a busy machine is slow too. Nothing but the start-up deadline and the liveness probe ever
leads to a restart: an unready replica is left alone, since a restart mends nothing outside of it.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from shopkart_pipeline.domain.workload import Probes

CHANCES = 3
"""Probes in a row that may go unanswered; the last of them decides."""
STARTING_INTERVAL_SECONDS = 0.1
RUNNING_INTERVAL_SECONDS = 1.0
CALM_SECONDS = 10.0
"""A replica that was ready for this long has recovered: its next crash is a first one."""
_CRASH_LOOP = 3
_DELAYS_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Probe(StrEnum):
    """The three questions."""

    STARTUP = "startup"
    READINESS = "readiness"
    LIVENESS = "liveness"


@dataclass(frozen=True)
class Answer:
    """What a probe got."""

    passed: bool
    silent: bool
    """Nobody answered in time."""
    text: str
    """Such as `503 {"status": "not ready"}`, for people."""


@dataclass(frozen=True)
class Health:
    """What is known about a running replica."""

    started: bool = False
    ready: bool = False
    was_ready: bool = False
    silent_readiness: int = 0
    failed_liveness: int = 0
    rounds: int = 0
    """Since it has started; liveness is asked in every second one, and in every one while it is in doubt."""
    last_answer: str = "no answer yet"

    @property
    def interval_seconds(self) -> float:
        """Until the next round of probes: short while somebody waits for the result."""
        return RUNNING_INTERVAL_SECONDS if self.ready else STARTING_INTERVAL_SECONDS


def round_of(health: Health) -> tuple[Probe, ...]:
    """The questions to ask now. Liveness is not asked of a replica that is still starting, and less often."""
    if not health.started:
        return (Probe.STARTUP,)
    alive_too = health.rounds % 2 == 0 or health.failed_liveness > 0
    return (Probe.READINESS, Probe.LIVENESS) if alive_too else (Probe.READINESS,)


def path_of(probe: Probe, probes: Probes) -> str:
    """Where to ask."""
    match probe:
        case Probe.STARTUP:
            return probes.startup_path
        case Probe.READINESS:
            return probes.readiness_path
        case Probe.LIVENESS:
            return probes.liveness_path


def after(health: Health, probe: Probe, answer: Answer) -> Health:
    """What is known after one more answer."""
    match probe:
        case Probe.STARTUP:
            return replace(health, started=health.started or answer.passed, last_answer=_said(probe, answer))
        case Probe.READINESS:
            silent = health.silent_readiness + 1 if answer.silent else 0
            ready = answer.passed or (health.ready and answer.silent and silent < CHANCES)
            known = replace(health, ready=ready, was_ready=health.was_ready or ready, silent_readiness=silent)
            return replace(known, rounds=health.rounds + 1, last_answer=_said(probe, answer))
        case Probe.LIVENESS:
            failed = 0 if answer.passed else health.failed_liveness + 1
            said = health.last_answer if answer.passed else _said(probe, answer)
            return replace(health, failed_liveness=failed, last_answer=said)


def _said(probe: Probe, answer: Answer) -> str:
    return f"{probe.value} probe: {answer.text}"


def reason_to_restart(health: Health, probes: Probes, age_seconds: float) -> str | None:
    """Why a running replica must be started anew, or None."""
    if not health.started and age_seconds > probes.startup_deadline_seconds:
        return f"it did not start within {probes.startup_deadline_seconds:g} s ({health.last_answer})"
    if health.failed_liveness >= CHANCES:
        return f"it failed its liveness probe {health.failed_liveness} times ({health.last_answer})"
    return None


def reason_for_waiting(health: Health, probes: Probes, age_seconds: float) -> str | None:
    """Why a replica that was never ready counts as failed, or None while it has time."""
    if health.was_ready or age_seconds <= probes.startup_deadline_seconds:
        return None
    return f"never ready within {probes.startup_deadline_seconds:g} s ({health.last_answer})"


def delay_before_restart_seconds(crashes: int) -> float:
    """How long to wait after this many crashes in a row; the first restart comes almost at once."""
    return _DELAYS_SECONDS[min(max(crashes, 1), len(_DELAYS_SECONDS)) - 1]


def how_it_ended(exit_code: int | None, last_line: str) -> str:
    """What to say about a replica that ended by itself."""
    code = "an unknown exit code" if exit_code is None else f"exit code {exit_code}"
    said = f"its last log line: {last_line}" if last_line else "it wrote no log"
    return f"ended with {code} ({said})"


def failure_after_crash(name: str, crashes: int, how: str) -> str | None:
    """Why a replica counts as failed after this many crashes in a row; None while it is no crash loop yet."""
    return None if crashes < _CRASH_LOOP else f"crash loop: {name} {how}, {crashes} times in a row"
