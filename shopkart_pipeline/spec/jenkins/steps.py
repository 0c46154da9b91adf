"""Steps: what stands in `steps`, in `post`, and in blocks around other steps.

A step that is not known is named with its line. Steps around others (`dir`, `withCredentials`, `timeout`, `retry`,
plugins' wrappers) are judged themselves, and what they hold is judged as if it stood alone.
"""

from collections.abc import Callable, Sequence

from shopkart_pipeline.spec.jenkins.draft import Draft
from shopkart_pipeline.spec.jenkins.forms import is_branch, is_email, is_relative_path, is_repository
from shopkart_pipeline.spec.jenkins.limits import duration_of, set_retries, set_timeout
from shopkart_pipeline.spec.jenkins.notes import quoted
from shopkart_pipeline.spec.jenkins.registries import note_registry
from shopkart_pipeline.spec.jenkins.shell_steps import Stage, pause, translate_script
from shopkart_pipeline.spec.jenkins.syntax import Listing, Statement, Text
from shopkart_pipeline.spec.jenkins.variables import Unknown, is_secret

_QUALITY = "stage `quality` judges new code, and asks SonarQube where stages.quality.options.server is declared"
_MAIL = "mail needs a server and a sender: a channel of kind `smtp` under `notifications` (docs/notifications.md)"
_CAUGHT = "no failure is passed over: what it holds counts here; a check is left out by `disabled` with a reason"
_SHIPPED = {
    "archiveArtifacts": "reports are kept as evidence, by digest",
    "stash": "stages of one release share what the pipeline built",
    "unstash": "stages of one release share what the pipeline built",
    "fingerprint": "images and reports are named by digest",
    "cleanWs": "every attempt begins in a copy of its own, which is swept",
    "deleteDir": "every attempt begins in a copy of its own, which is swept",
    "echo": "only shows something",
    "milestone": "a newer head ends the older run, and releases take production in order",
    "lock": "an environment has one rollout at a time",
    "githubNotify": "the pipeline tells GitHub by its App (docs/github.md)",
    "setBuildStatus": "the pipeline tells GitHub by its App (docs/github.md)",
    "waitForQualityGate": "stage `quality` waits for the server, and its gates block",
    "dependencyCheck": "stage `dependency_scan` compares the lock with advisories",
    "dependencyCheckPublisher": "stage `dependency_scan` shows what it found",
    "recordIssues": "findings are shown, judged and told to GitHub as they are found",
    "withSonarQubeEnv": _QUALITY,
    "wrap": "a wrapper around what the console shows",
    "ansiColor": "logs are kept as they are written",
    "timestamps": "logs have the time of every line",
    "parallel": "stages that don't wait for each other run at the same time",
}
_LEFT = {
    "build": "it starts another job: what is released is declared as a service, with `depends_on`",
    "publishHTML": "reports are kept as evidence; a page of HTML is none of them",
    "mail": _MAIL,
    "emailext": _MAIL,
    "error": "a stage fails by its command's exit code",
    "catchError": _CAUGHT,
    "warnError": _CAUGHT,
    "bat": "stages run on Linux",
    "powershell": "stages run on Linux",
    "node": "agents are Jenkins': commands run on the pipeline's machine, confined",
    "container": "a container of Jenkins' agent: commands run with what the pipeline's machine has",
    "tool": "tools are those of the machine, or what the lock file pins",
    "load": "code from a file: it is Groovy and is not guessed at",
    "library": "a shared library is code: nothing of it is guessed at",
}


def translate_steps(draft: Draft, stage: Stage, steps: Sequence[Statement]) -> None:
    """Put every step where it belongs; each gets a note."""
    for step in steps:
        translator = _TRANSLATORS.get(step.name)
        if step.scripted_lines:
            scripted(draft, step, f"in stage `{stage.title}`")
        elif translator is not None:
            translator(draft, stage, step)
        else:
            _by_name(draft, stage, step)


def scripted(draft: Draft, statement: Statement, where: str) -> None:
    """Groovy is named, and not guessed at."""
    lines = statement.scripted_lines
    size = "one line" if lines == 1 else f"{lines} lines"
    words = f"{size} of Groovy {where}: not read, since only Jenkins can say what it does; write it as a command"
    draft.notes.left(statement.line, statement.text, words)


def _by_name(draft: Draft, stage: Stage, step: Statement) -> None:
    if step.name in _SHIPPED:
        draft.notes.shipped(step.line, step.text, _SHIPPED[step.name])
    else:
        words = _LEFT.get(step.name) or f"`{step.name}` is a step that has no counterpart here"
        draft.notes.left(step.line, step.text, words)
    if step.body is not None:
        translate_steps(draft, stage, step.body)


def _shell(draft: Draft, stage: Stage, step: Statement) -> None:
    match step.value("script"):
        case Text() as text:
            try:
                script = stage.variables.text(text, in_shell=True)
            except Unknown as why:
                _unknown_script(draft, stage, step, text, str(why))
            else:
                translate_script(draft, stage, step.line, script)
        case _:
            draft.notes.left(step.line, step.text, "its command is an expression, which only a build of Jenkins knows")


def _unknown_script(draft: Draft, stage: Stage, step: Statement, text: Text, why: str) -> None:
    """Commands of kinds that are shipped need no values; the others can't be copied without them."""
    script = "".join(part if isinstance(part, str) else f"${{{quoted(part.expression)}}}" for part in text.parts)
    inner = Stage(stage.title, stage.phase, stage.variables.inner(), deploys_to=stage.deploys_to, folder=stage.folder)
    inner.variables.unanswerable = why
    translate_script(draft, inner, step.line, script)


def _checkout(draft: Draft, stage: Stage, step: Statement) -> None:
    url = step.word("url")
    found = (url or "").removesuffix(".git").replace(":", "/").split("/")[-2:]
    if len(found) == 2 and is_repository("/".join(found)) and step.name == "git":
        draft.repository = draft.repository or "/".join(found)
        branch = step.word("branch") if "branch" in step.named else None
        draft.branch = draft.branch or (branch if branch and is_branch(branch) else None)
        draft.notes.translated(
            step.line, step.text, "`source` of the service; git's credentials are the App's (docs/github.md)"
        )
        return
    draft.notes.shipped(step.line, step.text, "the pipeline checks out the release's commit by itself")


def _junit(draft: Draft, stage: Stage, step: Statement) -> None:
    path = (step.word("testResults") or "").removeprefix("./")
    _report(draft, stage, step, "junit", path.removeprefix("**/"))


def _coverage(draft: Draft, stage: Stage, step: Statement) -> None:
    path = step.word("coberturaReportFile") or ""
    match step.named.get("tools") or step.value("adapters"):
        case Listing((Statement() as tool, *_)):
            path = tool.word("pattern") or tool.word("path") or path
        case _:
            pass
    _report(draft, stage, step, "coverage", path.removeprefix("**/"))


def _report(draft: Draft, stage: Stage, step: Statement, key: str, path: str) -> None:
    """Belongs to the one stage that has a command from here."""
    notes = draft.notes
    if not is_relative_path(path) or any(sign in path for sign in "*?,$"):
        notes.left(step.line, step.text, f"`{key}` of a stage names one file: have the tests write one, and say which")
    elif len(stage.targets) != 1:
        notes.left(step.line, step.text, f"no one stage came of this that `{key}` could be said of")
    else:
        [(name, target)] = stage.targets.items()
        target.setdefault(key, path)
        notes.translated(step.line, step.text, f"stages.{name}.{key}")


def _slack(draft: Draft, stage: Stage, step: Statement) -> None:
    draft.slack = True
    words = (
        "`notifications`: incidents are told there; the webhook goes into SHOPKART_NOTIFY_SLACK, never into the file"
    )
    draft.notes.translated(step.line, step.text, words)


def approval(draft: Draft, stage: Stage, statement: Statement) -> None:
    """The step or directive `input`."""
    said = {each.name: each for each in statement.body or ()}
    submitter = said["submitter"].word() if "submitter" in said else statement.word("submitter")
    people = [each.strip() for each in (submitter or "").split(",") if each.strip()]
    draft.approvers.extend(each for each in people if is_email(each) and each not in draft.approvers)
    if stage.phase == "after":
        draft.notes.left(statement.line, statement.text, "nothing is asked after production")
        return
    words = "environments.production.approvals: a signed approval of the digest, asked for before production alone"
    draft.notes.translated(statement.line, statement.text, words)
    for each in statement.body or ():
        if each.name == "parameters" or each.scripted_lines:
            draft.notes.left(each.line, each.text, "an approval has no parameters: it is for a digest and its evidence")
        elif each.name != "submitter":
            draft.notes.shipped(each.line, each.text, "whoever approves is shown the release and its gates")
    unknown = [each for each in people if not is_email(each)]
    if unknown:
        words = f"Jenkins' names {', '.join(unknown)} are no e-mail addresses: name approvers by them (--approver)"
        draft.notes.left(statement.line, statement.text, words)


def _credentials(draft: Draft, stage: Stage, step: Statement) -> None:
    words = (
        "credentials are never copied: the pipeline's own are settings (docs/security.md), those of the service go to "
        "workload.secrets"
    )
    draft.notes.left(step.line, step.text, words)
    if "$" not in step.text:
        note_registry(draft, step.line, step.text)
    before = stage.variables
    stage.variables = before.inner()
    for name in _variables_of(step):
        stage.variables.forget(name)
        stage.variables.credentials.add(name)
    translate_steps(draft, stage, step.body or ())
    stage.variables = before


def _variables_of(step: Statement) -> list[str]:
    bindings = [each for value in step.values if isinstance(value, Listing) for each in value.values]
    calls = [each for each in bindings if isinstance(each, Statement)]
    words = [each.word(name) for each in calls for name in each.named if name.lower().endswith("variable")]
    return [word for word in words if word]


def _with_env(draft: Draft, stage: Stage, step: Statement) -> None:
    before = stage.variables
    stage.variables = before.inner()
    for value in (each for listing in step.values if isinstance(listing, Listing) for each in listing.values):
        name, sign, said = (value.literal or "").partition("=") if isinstance(value, Text) else ("", "", "")
        stage.variables.forget(name)
        if sign and not is_secret(name, said):
            stage.variables.values[name] = said
        elif name:
            stage.variables.credentials.add(name)
    draft.notes.translated(
        step.line, step.text, "set in the commands that use it, where it has a value and is no secret"
    )
    translate_steps(draft, stage, step.body or ())
    stage.variables = before


def _folder(draft: Draft, stage: Stage, step: Statement) -> None:
    path, before = step.word(), stage.folder
    if path is None or not is_relative_path(path):
        draft.notes.left(step.line, step.text, "commands stay in the service's folder of the repository")
    else:
        draft.notes.translated(
            step.line, step.text, "commands from here begin with `cd`; `source.path` may say it once"
        )
        stage.folder = f"{before}/{path}" if before else path
    translate_steps(draft, stage, step.body or ())
    stage.folder = before


def _timeout(draft: Draft, stage: Stage, step: Statement) -> None:
    held = [each.name for each in step.body or ()]
    translate_steps(draft, stage, step.body or ())
    if held and all(name in ("input", "waitForQualityGate") for name in held):
        draft.notes.shipped(step.line, step.text, "waiting holds nothing up: a release waits beside the others")
    else:
        set_timeout(draft, stage, step)


def _retry(draft: Draft, stage: Stage, step: Statement) -> None:
    translate_steps(draft, stage, step.body or ())
    set_retries(draft, stage, step)


def _sleep(draft: Draft, stage: Stage, step: Statement) -> None:
    pause(draft, stage, step.line, step.text, duration_of(step) or "")


def _registry(draft: Draft, stage: Stage, step: Statement) -> None:
    note_registry(draft, step.line, step.text)
    draft.notes.shipped(step.line, step.text, "the pipeline logs in to the registry by itself")
    translate_steps(draft, stage, step.body or ())


_Translator = Callable[[Draft, Stage, Statement], None]
_TRANSLATORS: dict[str, _Translator] = {
    "sh": _shell,
    "checkout": _checkout,
    "git": _checkout,
    "junit": _junit,
    "xunit": _junit,
    "cobertura": _coverage,
    "publishCoverage": _coverage,
    "recordCoverage": _coverage,
    "slackSend": _slack,
    "input": approval,
    "withCredentials": _credentials,
    "withEnv": _with_env,
    "dir": _folder,
    "timeout": _timeout,
    "retry": _retry,
    "sleep": _sleep,
    "docker.withRegistry": _registry,
    "withAWS": _credentials,
    "withKubeConfig": _credentials,
    "sshagent": _credentials,
}
