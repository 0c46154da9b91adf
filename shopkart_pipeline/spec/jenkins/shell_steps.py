"""Where the commands of a shell step go.

A command of a kind that a shipped stage does is not copied: that stage does it, and what its options said is either
carried over or named. Tests and everything of the team's own keep their command. Nothing runs after production, so what
stands there is left; so is what needs a value that only Jenkins has.
"""

import re
import shlex
from dataclasses import dataclass, field
from typing import Any

from shopkart_pipeline.spec.jenkins.commands import Command, Work, commands_of
from shopkart_pipeline.spec.jenkins.draft import Draft
from shopkart_pipeline.spec.jenkins.notes import without_credentials
from shopkart_pipeline.spec.jenkins.registries import note_image
from shopkart_pipeline.spec.jenkins.variables import Unknown, Variables, is_secret
from shopkart_pipeline.spec.placeholders import placeholders

_SHELL_SIGNS = re.compile(r"[|&;<>$`*?~#!\\(){}\[\]]|\s=")
_JUNIT = re.compile(r"--junit-?xml[= ]['\"]?([\w./-]+)")
_COVERAGE = re.compile(r"--cov-report[= ]['\"]?xml(?::([\w./-]+))?")
_PYTEST = re.compile(r"(?:pytest|py\.test)(?:\s|$)")
_NAMESPACE = re.compile(r"(?:-n|--namespace)[= ]([a-z0-9][a-z0-9-]{0,62})(?=\s|$)")
_WEIGHT = re.compile(r"(?i)(?:canary\S{0,60}[= ]|weight[= ])(\d{1,2})(?=[%\s'\",]|$)")
_PAUSE = re.compile(r"sleep (\d{1,6})([smh]?)")
_WORDS = {
    Work.SOURCE: "the pipeline checks out the release's commit by itself",
    Work.DEPENDENCIES: "stage `dependencies` installs what the lock file pins; commands find it as `{python}`",
    Work.LINT: "stage `lint` runs it, and new violations block",
    Work.QUALITY: "stage `quality` judges new code; SonarQube is asked where stages.quality.options.server is declared",
    Work.SECRET_SCAN: "stage `secret_scan` looks at every commit of the release",
    Work.DEPENDENCY_SCAN: "stage `dependency_scan` compares the lock with advisories",
    Work.APPLICATION: "stage `application` builds what the image holds",
    Work.IMAGE: "stage `image` builds the service's Dockerfile once; further options of the command are not taken over",
    Work.PUBLISHED_IMAGE: "stage `published_image` pushes once and names the image by its digest, by no tag",
    Work.ROLLBACK: "a bad canary goes back by itself; people use `shopkart rollback`",
    Work.CLEANUP: "every attempt begins in a copy of its own, which is swept",
    Work.SHOW: "only shows something",
}
_OF_SHIPPED = frozenset(_WORDS)


@dataclass
class Stage:
    """One stage of the Jenkinsfile while it is read."""

    title: str
    phase: str
    """`ci`, `staging` (after what deploys there) or `after` (after production)."""
    variables: Variables
    targets: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Stages of the declaration that have a command from here."""
    folder: str | None = None
    deploys_to: str | None = None
    own: tuple[str, list[str]] | None = None
    """The stage of the team's own, with its lines."""


def translate_script(draft: Draft, stage: Stage, line: int, script: str) -> None:
    """Put each command of a script where it belongs; each gets a note."""
    prepared: list[Command] = []
    for command in commands_of(script):
        if command.work is Work.PREPARATION:
            prepared.append(command)
            continue
        _translate(draft, stage, line + command.offset, command, prepared)
    kept = _kept(stage) if prepared else ""
    for command in prepared:
        if command.text not in kept:
            draft.notes.shipped(line + command.offset, command.text, "only prepares for commands that were not kept")


def _kept(stage: Stage) -> str:
    own = "\n".join(stage.own[1]) if stage.own else ""
    return own + "\n".join(argument for target in stage.targets.values() for argument in target.get("command", ()))


def _translate(draft: Draft, stage: Stage, line: int, command: Command, prepared: list[Command]) -> None:
    notes, work = draft.notes, command.work
    ignored = "; its failure, which the Jenkinsfile ignores, counts here" if command.ignores_failure else ""
    if work in _OF_SHIPPED:
        if work in (Work.IMAGE, Work.PUBLISHED_IMAGE):
            note_image(draft, line, stage.variables.expanded(command.plain_text))
        notes.shipped(line, command.text, _WORDS[work] + ignored)
        if work is Work.QUALITY:
            _server(draft, line, command)
    elif work is Work.IMAGE_SCAN:
        _image_scan(draft, line, command, ignored)
    elif work is Work.DEPLOYMENT:
        _deployment(draft, stage, line, command)
    elif work is Work.PAUSE:
        match = _PAUSE.match(command.plain_text)
        pause(draft, stage, line, command.text, f"{match[1]}{match[2] or 's'}" if match else "")
    elif stage.deploys_to is not None:
        words = (
            f"stage `{stage.deploys_to}` deploys by itself: migrations are said in workload.migrations, and checks are "
            "stages of their own"
        )
        notes.left(line, command.text, words)
    elif stage.phase == "after":
        words = "no stage runs after production: health checks and the canary watch what runs (docs/monitoring.md)"
        notes.left(line, command.text, words)
    else:
        _keep(draft, stage, line, command, prepared)


def pause(draft: Draft, stage: Stage, line: int, text: str, duration: str) -> None:
    """A pause in the middle of a canary is how long its step bakes."""
    if draft.canary and stage.deploys_to == "production" and duration:
        draft.canary[-1]["bake"] = duration
        draft.notes.translated(line, text, f"the canary's step of {draft.canary[-1]['weight']} % bakes for {duration}")
    else:
        draft.notes.left(line, text, "stages wait for what they need, not for a time; a canary's steps have a `bake`")


def _server(draft: Draft, line: int, command: Command) -> None:
    found = re.search(r"-Dsonar\.host\.url=(https?://[A-Za-z0-9.-]+(?::\d{1,5})?)(?=[/\s'\"]|$)", command.text)
    if found:
        draft.stages.setdefault("quality", {})["options"] = {"server": found[1]}
        draft.notes.translated(line, found[0], "stages.quality.options.server; its token is SHOPKART_SONAR_TOKEN")


def _image_scan(draft: Draft, line: int, command: Command, ignored: str) -> None:
    words, gate = "stage `image_scan` does it", dict[str, Any]()
    severity = re.search(r"--severity[= ]['\"]?([A-Z,]+)", command.text)
    if severity and "--exit-code" in command.text:
        names = [name.lower() for name in severity[1].split(",")]
        lowest = next((name for name in ("low", "medium", "high", "critical") if name in names), None)
        if lowest is not None:
            gate = {"findings": lowest, "only_new": False, "only_fixable": "--ignore-unfixed" in command.text}
            draft.gates.setdefault("image_scan", {})["vulnerabilities"] = gate
            words += f"; gates.image_scan.vulnerabilities counts {lowest} or worse"
    add = draft.notes.translated if gate else draft.notes.shipped
    add(line, command.text, words + ignored)


def _deployment(draft: Draft, stage: Stage, line: int, command: Command) -> None:
    text, target = command.text, stage.deploys_to
    draft.is_kubernetes = True
    if target is None:
        draft.notes.left(line, text, "the stage's name says neither staging nor production, where the pipeline deploys")
        return
    if found := _NAMESPACE.search(text):
        draft.namespaces[target] = found[1]
    weight = _WEIGHT.search(text) if target == "production" else None
    if weight and 0 < int(weight[1]) < 100 and (not draft.canary or draft.canary[-1]["weight"] < int(weight[1])):
        draft.canary.append({"weight": int(weight[1]), "bake": "5m"})
        draft.notes.translated(line, text, f"a step of the canary: {weight[1]} % of the traffic")
        return
    words = (
        f"stage `{target}` deploys the digest and waits until it is ready; manifests are rendered (docs/manifests.md)"
    )
    draft.notes.shipped(line, text, words)


def _keep(draft: Draft, stage: Stage, line: int, command: Command, prepared: list[Command]) -> None:
    lines = [each.text for each in prepared]
    try:
        arguments = _arguments(draft, stage, lines, command)
    except Unknown as why:
        draft.notes.left(line, command.text, f"{why}")
        return
    script = " ".join(arguments)
    if without_credentials(script) != script:
        draft.notes.left(line, command.text, "it holds what looks like a credential, and credentials are never copied")
        return
    if [name for argument in arguments for name in placeholders(argument) if name != "python"]:
        draft.notes.left(line, command.text, "a name in braces would be a placeholder of the declaration")
        return
    tests = _tests_stage(draft, stage) if command.work is Work.TESTS else None
    name = tests or _add_own(draft, stage, command, arguments)
    if tests is not None:
        stage.targets[tests] = draft.stages.setdefault(tests, {})
        stage.targets[tests]["command"] = arguments
    _reports(stage.targets[name], command)
    for each in prepared:
        draft.notes.translated(line, each.text, f"part of the command of stage `{name}`")
    words = "; its failure, which the Jenkinsfile ignores, counts here" if command.ignores_failure else ""
    draft.notes.translated(line, command.text, f"the command of stage `{name}`{words}")


def _arguments(draft: Draft, stage: Stage, lines: list[str], command: Command) -> list[str]:
    text = re.sub(r"\s*\|\|.*$", "", command.text) if command.ignores_failure else command.text
    values = stage.variables.needed("\n".join((*lines, text)))
    for name, value in values.items():
        if is_secret(name, value):
            raise Unknown(f"{name} looks like a credential, and credentials are never copied")
    draft.used.update(values)
    if not lines and not values and stage.folder is None and not _SHELL_SIGNS.search(text):
        try:
            words = shlex.split(command.plain_text)
        except ValueError:
            words = []
        if words:
            return ["{python}", "-m", "pytest", *words[1:]] if _PYTEST.match(command.plain_text) else shlex.split(text)
    given = [
        f'{name}="{value}"' if value.startswith("$") else f"{name}={shlex.quote(value)}"
        for name, value in values.items()
    ]
    folder = [f"cd {shlex.quote(stage.folder)}"] if stage.folder else []
    return ["sh", "-ec", "\n".join((*(f"export {each}" for each in given), *folder, *lines, text))]


def _tests_stage(draft: Draft, stage: Stage) -> str | None:
    """The shipped stage that runs these tests; None where it has a command already, or runs them at another time."""
    title = stage.title.lower()
    if stage.phase == "ci":
        other = re.search(r"integration|acceptance|e2e|end.to.end|smoke|load|performance|contract", title)
        name = None if other else "unit_tests"
    else:
        name = "acceptance_tests" if re.search(r"acceptance|e2e|end.to.end|smoke|ui", title) else "integration_tests"
    return None if name is None or "command" in draft.stages.get(name, {}) else name


def _add_own(draft: Draft, stage: Stage, command: Command, arguments: list[str]) -> str:
    """A command of the team's own: several of one stage become one script."""
    script = arguments[2] if arguments[:2] == ["sh", "-ec"] else shlex.join(arguments)
    if stage.own is None:
        name = draft.own_name(stage.title)
        stage.own = (name, [])
        target = draft.stages[name] = {"phase": "staging"} if stage.phase == "staging" else {}
        stage.targets[name] = target
    name, lines = stage.own
    lines.append(script)
    stage.targets[name].setdefault("command", arguments)
    return name


def finish(stage: Stage) -> None:
    """Several commands of the team's own become one script, each beginning where the first did."""
    if stage.own is not None and len(stage.own[1]) > 1:
        name, lines = stage.own
        stage.targets[name]["command"] = ["sh", "-ec", "\n".join(f"(\n{each}\n)" for each in lines)]


def _reports(target: dict[str, Any], command: Command) -> None:
    if found := _JUNIT.search(command.text):
        target["junit"] = found[1].removeprefix("./")
    if found := _COVERAGE.search(command.text):
        target["coverage"] = (found[1] or "coverage.xml").removeprefix("./")
