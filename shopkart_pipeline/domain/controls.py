"""How far evidence answers a requirement, for a declaration: answered, answered in part, or a gap.

A requirement names the means that answer it; each means knows what a declaration lacks for it. What lies outside of a
pipeline's reach (training, whoever owns the machines, a firewall) is said with the requirement, which then is answered
in part at most. Nothing is answered by saying so: a means is a stage, a gate, a policy or a record that is there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from shopkart_pipeline.domain.declaration import Pipeline, Service


class Answer(StrEnum):
    """How far a requirement is answered."""

    ANSWERED = "answered"
    IN_PART = "in part"
    GAP = "gap"


@dataclass(frozen=True)
class Means:
    """Something in the pipeline that leaves evidence."""

    evidence: str
    """What an auditor looks at, and where."""
    lacks: Callable[[Pipeline, Service], str | None]
    """Why a service as it is declared has no such evidence; None where it has."""


@dataclass(frozen=True)
class Requirement:
    """One requirement of a framework."""

    framework: str
    number: str
    asks: str
    """In our words, short."""
    means: tuple[Means, ...]
    """All of them are needed."""
    beyond: str = ""
    """What no pipeline can show; empty where there is nothing."""


@dataclass(frozen=True)
class Control:
    """A requirement, and how a declaration stands to it."""

    requirement: Requirement
    answer: Answer
    evidence: tuple[str, ...]
    """What answers it, of the means that at least one service has."""
    lacks: tuple[str, ...]
    """Why it is not answered in full, with the services that it is about."""


def assess(pipeline: Pipeline, requirements: Iterable[Requirement]) -> tuple[Control, ...]:
    """Every requirement against a declaration."""
    return tuple(_assess(pipeline, each) for each in requirements)


def _assess(pipeline: Pipeline, requirement: Requirement) -> Control:
    evidence, lacks, complete = list[str](), dict[str, list[str]](), True
    for means in requirement.means:
        missing = [(name, why) for name, each in pipeline.services.items() if (why := means.lacks(pipeline, each))]
        if len(missing) < len(pipeline.services):
            evidence.append(means.evidence)
        complete = complete and not missing
        for name, why in missing:
            lacks.setdefault(why, []).append(name)
    reasons = [_about(why, names, len(pipeline.services)) for why, names in lacks.items()]
    if requirement.beyond:
        reasons.append(requirement.beyond)
    in_full = Answer.ANSWERED if complete and not requirement.beyond else Answer.IN_PART
    answer = in_full if evidence else Answer.GAP
    return Control(requirement, answer, tuple(evidence), tuple(reasons))


def _about(why: str, names: list[str], services: int) -> str:
    return why if len(names) == services else f"{', '.join(names)}: {why}"
