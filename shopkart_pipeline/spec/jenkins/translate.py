"""From a Jenkinsfile to a declaration: the directives of a pipeline and of its stages.

Stages are read in their order, since only that order says whether tests run before or against staging. Nothing is
evaluated: what only a build of Jenkins can know is named, and left to people. What a stage says about itself (time
limits, repetitions, reports) belongs to the one stage that came of it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.spec.jenkins.directives import ABOUT_THE_PIPELINE, ABOUT_THE_STAGE, environment
from shopkart_pipeline.spec.jenkins.draft import Asked, Draft
from shopkart_pipeline.spec.jenkins.forms import is_branch
from shopkart_pipeline.spec.jenkins.grammar import parse
from shopkart_pipeline.spec.jenkins.limits import set_retries, set_timeout
from shopkart_pipeline.spec.jenkins.notes import Note
from shopkart_pipeline.spec.jenkins.shell_steps import Stage, finish
from shopkart_pipeline.spec.jenkins.steps import approval, scripted, translate_steps
from shopkart_pipeline.spec.jenkins.syntax import Statement
from shopkart_pipeline.spec.jenkins.variables import Variables

_PRODUCTION = re.compile(r"(?i)(?=.*(?:deploy|release|roll|canary|ship|promote|publish))(?=.*(?:prod|live|canary))")
_STAGING = re.compile(r"(?i)(?=.*(?:deploy|release|roll|ship|promote))(?=.*(?:stag|preprod|pre-prod|uat|qa))")
_FIX = (
    "`shopkart import jenkins` reads declarative pipelines (`pipeline { ... }`). A scripted one is a program: write "
    "the declaration by hand, with docs/from-jenkins.md beside it."
)


@dataclass(frozen=True)
class Translation:
    """A declaration, and what became of each line."""

    declaration: str
    notes: tuple[Note, ...]


def translate(source: str, asked: Asked) -> Translation:
    """Translate a declarative Jenkinsfile.

    Args:
        source: its text.
        asked: what it can't say.

    Raises:
        UntrustedInput: it can't be read, or is no declarative pipeline.
    """
    statements = parse(source)
    pipelines = [each for each in statements if each.name == "pipeline" and each.body is not None]
    if len(pipelines) != 1:
        what = "no pipeline" if not pipelines else "more than one pipeline"
        raise UntrustedInput(f"The file declares {what}.", _FIX)
    draft = Draft(asked)
    for each in statements:
        if each is not pipelines[0]:
            scripted(draft, each, "outside of the pipeline")
    _pipeline(draft, pipelines[0].body or ())
    draft.tell_variables()
    text = draft.text()
    return Translation(text, tuple(draft.notes.sorted()))


def _pipeline(draft: Draft, directives: Sequence[Statement]) -> None:
    variables = Variables()
    for directive in sorted(directives, key=lambda each: each.name in ("stages", "post")):
        if directive.name == "environment":
            environment(draft, variables, directive)
        elif directive.name == "stages":
            walk = _Walk(draft)
            walk.stages(directive.body or (), variables)
            draft.notes.translated(directive.line, directive.text, "the service's stages")
        elif directive.name == "post":
            _post(draft, Stage("the pipeline", "after", variables), directive)
        else:
            _each(draft, directive, ABOUT_THE_PIPELINE)


def _post(draft: Draft, stage: Stage, directive: Statement) -> None:
    for condition in directive.body or ():
        if condition.body is None:
            scripted(draft, condition, "in `post`")
            continue
        words = "what follows a stage is declared, not run: each step is judged by itself"
        draft.notes.shipped(condition.line, condition.text, words)
        translate_steps(draft, stage, condition.body)


def _each(draft: Draft, directive: Statement, known: dict[str, tuple[str, str]]) -> None:
    """A directive whose parts are told of one by one; `agent any` and the like have none."""
    for part in directive.body or (directive,):
        name = (part.word() or "") if part is directive else part.name
        named = known.get(f"{directive.name}.{name}") or known.get(directive.name)
        if directive.scripted_lines or part.scripted_lines:
            scripted(draft, part, f"in `{directive.name}`")
        elif part.name == "password":
            draft.notes.left(part.line, part.name, "a parameter that is a credential: its value is not copied")
        elif named is None:
            draft.notes.left(part.line, part.text, f"`{directive.name}` has no counterpart here")
        elif named[0] == "shipped":
            draft.notes.shipped(part.line, part.text, named[1])
        else:
            draft.notes.left(part.line, part.text, named[1])
        for inner in (part.body or ()) if part is not directive else ():
            draft.notes.left(inner.line, inner.text, f"part of `{part.name}`, see there")


class _Walk:
    """Goes through the stages in their order."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._phase = "ci"

    def stages(self, statements: Sequence[Statement], variables: Variables) -> None:
        for statement in statements:
            if statement.name == "stage" and statement.body is not None:
                self._stage(statement, variables)
            elif statement.name == "failFast" or statement.text.startswith("failFast"):
                words = "stages that don't depend on a failed one go on, so that everything is known at once"
                self._draft.notes.left(statement.line, statement.text, words)
            else:
                scripted(self._draft, statement, "among the stages")

    def _stage(self, statement: Statement, outer: Variables) -> None:
        variables = outer.inner()
        title = statement.word() or "stage"
        goes_to = _goes_to(title)
        if self._phase == "after" and goes_to == "production":
            self._phase = "staging"
        stage = Stage(title, self._phase, variables, deploys_to=goes_to)
        directives = statement.body or ()
        for directive in directives:
            if directive.name == "environment":
                environment(self._draft, variables, directive)
        for directive in directives:
            if directive.name not in ("environment", "post", "options"):
                self._directive(stage, directive)
        for directive in directives:
            if directive.name == "post":
                _post(self._draft, stage, directive)
            elif directive.name == "options":
                self._options(stage, directive)
        if goes_to is not None:
            self._phase = "after" if goes_to == "production" else "staging"
        finish(stage)
        if stage.targets or goes_to:
            names = ", ".join(f"`{name}`" for name in (*stage.targets, *((goes_to,) if goes_to else ())))
            self._draft.notes.translated(statement.line, statement.text, f"stage {names}")
        else:
            self._draft.notes.shipped(statement.line, statement.text, "nothing of its own came of it: see its steps")

    def _directive(self, stage: Stage, directive: Statement) -> None:
        match directive.name:
            case "steps" if directive.body is not None:
                translate_steps(self._draft, stage, directive.body)
            case "parallel" | "stages" if directive.body is not None:
                words = "stages that don't wait for each other run at the same time; `needs` says which do"
                self._draft.notes.shipped(directive.line, directive.text, words)
                self.stages(directive.body, stage.variables)
            case "input":
                approval(self._draft, stage, directive)
            case "when":
                self._when(stage, directive)
            case "failFast":
                self.stages([directive], stage.variables)
            case "matrix":
                self._matrix(directive)
            case _:
                _each(self._draft, directive, ABOUT_THE_STAGE)

    def _matrix(self, directive: Statement) -> None:
        words = "a matrix runs its stages once per combination: write each as a stage of its own"
        self._draft.notes.left(directive.line, directive.text, words)
        for each in _all(directive.body or ()):
            self._draft.notes.left(each.line, each.text, "part of a matrix")

    def _options(self, stage: Stage, directive: Statement) -> None:
        for option in directive.body or ():
            if option.name == "timeout":
                set_timeout(self._draft, stage, option)
            elif option.name == "retry":
                set_retries(self._draft, stage, option)
            else:
                single = Statement("options", directive.line, directive.text, body=(option,))
                _each(self._draft, single, ABOUT_THE_PIPELINE)

    def _when(self, stage: Stage, directive: Statement) -> None:
        draft = self._draft
        for condition in directive.body or ():
            branch = condition.word() if condition.name == "branch" else None
            if condition.name == "beforeAgent":
                draft.notes.shipped(condition.line, condition.text, "no agent is waited for")
            elif branch is not None and is_branch(branch) and draft.branch in (None, branch):
                draft.branch = branch
                words = "`source.branch`: what is merged there becomes a release; pull requests push no image"
                draft.notes.translated(condition.line, condition.text, words)
            else:
                words = (
                    "a stage runs for every release, whatever it changed: equal inputs are taken over instead, and a "
                    "check is left out by `disabled` with a reason"
                )
                draft.notes.left(condition.line, condition.text, words)
                for each in _all(condition.body or ()):
                    draft.notes.left(each.line, each.text, "part of a condition")


def _goes_to(title: str) -> str | None:
    """Which environment a stage with such a title deploys to."""
    if re.search(r"(?i)\b(?:test|approv|check|verify|scan|smoke)", title):
        return None
    if _STAGING.search(title):
        return "staging"
    return "production" if _PRODUCTION.search(title) else None


def _all(statements: Sequence[Statement]) -> list[Statement]:
    return [each for statement in statements for each in (statement, *_all(statement.body or ()))]
