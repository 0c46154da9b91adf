"""Is every branch that releases come from protected as the declaration says?

Asked of the code host, compared line by line (`domain.branch_policy`), and remembered whenever the answer is another
than the last. Nothing is changed at the code host: the right to protect is the right to take protection away.
"""

from dataclasses import dataclass

from shopkart_pipeline.domain.branch_policy import BranchLine, compare
from shopkart_pipeline.domain.branch_rules import BranchRules
from shopkart_pipeline.domain.declaration import Pipeline, Service
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.render_notices import COMMIT_CHECK

BRANCH_PROTECTION = "branch_protection"
"""Kind of the notes; they are kept under the repository's name and `branch:` with the branch."""


@dataclass(frozen=True)
class ReleaseBranch:
    """A branch that services are released from."""

    repository: str
    name: str
    services: tuple[Service, ...]

    def __str__(self) -> str:
        return f"{self.repository} {self.name}"


@dataclass(frozen=True)
class BranchReport:
    """How a branch is protected, or why that could not be read."""

    branch: ReleaseBranch
    rules: BranchRules | None
    lines: tuple[BranchLine, ...]
    problem: str = ""
    """Why there are no lines; empty where there are."""

    @property
    def drift(self) -> tuple[BranchLine, ...]:
        return tuple(line for line in self.lines if not line.is_met)

    @property
    def is_protected(self) -> bool:
        """Whether it is known that the branch is protected as declared."""
        return not self.problem and bool(self.lines) and not self.drift

    @property
    def words(self) -> str:
        if self.problem:
            return f"could not be read: {self.problem}"
        if not self.drift:
            return "protected as declared"
        return "not as declared: " + ", ".join(line.setting for line in self.drift)


def release_branches(pipeline: Pipeline) -> tuple[ReleaseBranch, ...]:
    """The branches that services are released from, each once, as declared; none where no code host is."""
    if pipeline.code_host is None:
        return ()
    return tuple(ReleaseBranch(*place, services) for place, services in pipeline.branches.items())


def check_branch(platform: Platform, branch: ReleaseBranch) -> BranchReport:
    """Read and compare the rules of a branch, and remember what came of it."""
    report = _check(platform, branch)
    place = f"branch:{branch.name}"
    data = {line.setting: f"{'ok' if line.is_met else 'drift'}: {line.found}" for line in report.lines}
    last = platform.evidence.notes(branch.repository, place, BRANCH_PROTECTION)[-1:]
    if not last or (last[0].message, dict(last[0].data)) != (report.words, data):
        now = platform.clock.now()
        platform.evidence.note(Note(branch.repository, place, now, BRANCH_PROTECTION, report.words, data))
    return report


def _check(platform: Platform, branch: ReleaseBranch) -> BranchReport:
    policy, reader = platform.pipeline.code_host, platform.code_reader
    if policy is None:
        return BranchReport(branch, None, (), "no code host is declared")
    if reader is None:
        return BranchReport(branch, None, (), f"there are no credentials for {policy.api}")
    try:
        rules = reader.branch_rules(branch.repository, branch.name)
    except PipelineError as error:
        return BranchReport(branch, None, (), f"{error.what} {error.fix}".strip())
    return BranchReport(branch, rules, compare(rules, policy.branch, [COMMIT_CHECK]))
