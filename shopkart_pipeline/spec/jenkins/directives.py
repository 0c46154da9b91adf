"""Directives about the whole pipeline: what is done by itself, and what has no counterpart."""

from shopkart_pipeline.spec.jenkins.draft import Draft
from shopkart_pipeline.spec.jenkins.syntax import Statement, Text
from shopkart_pipeline.spec.jenkins.variables import Unknown, Variables, is_secret

_AGENT = "agents are Jenkins': commands run on the pipeline's machine with its programs, confined"
_OPTION = "an option of Jenkins' that has no counterpart here"

ABOUT_THE_STAGE: dict[str, tuple[str, str]] = {
    "agent": ("left", _AGENT),
    "agent.any": ("shipped", "there is no choice of machines"),
    "tools": ("left", "tools are those of the machine, or what the lock file pins"),
}
ABOUT_THE_PIPELINE: dict[str, tuple[str, str]] = {
    **ABOUT_THE_STAGE,
    "options": ("left", _OPTION),
    "options.timestamps": ("shipped", "logs have the time of every line"),
    "options.ansiColor": ("shipped", "logs are kept as they are written"),
    "options.disableConcurrentBuilds": (
        "shipped",
        "a newer head of a pull request ends the older run, and an environment has one rollout at a time",
    ),
    "options.buildDiscarder": (
        "left",
        "how many releases stay in the interface is `retention.live_releases`; evidence stays",
    ),
    "options.skipDefaultCheckout": ("shipped", "stage `source` checks out once"),
    "options.skipStagesAfterUnstable": ("shipped", "a stage whose gates did not pass ends the release"),
    "options.preserveStashes": ("shipped", "what a release built is kept by digest"),
    "options.timeout": ("left", "every stage has a time limit of its own (stages.NAME.timeout); there is none for all"),
    "options.retry": ("left", "failed tests alone are run again (stages.NAME.retries); deployments never are"),
    "parameters": ("left", "a release is what its commit says, so it has no parameters"),
    "triggers": ("left", "what starts at fixed times is in `schedules`; a release starts with a merge"),
    "triggers.githubPush": ("shipped", "GitHub's webhooks start releases (docs/github.md)"),
    "triggers.pollSCM": ("shipped", "webhooks start releases, and `schedules.reconcile` finds what got lost"),
    "libraries": ("left", "a shared library is code: nothing of it is guessed at"),
}


def environment(draft: Draft, variables: Variables, directive: Statement) -> None:
    """Learn the variables of an `environment` block; each gets a note."""
    for each in directive.body or ():
        if not each.is_assignment:
            variables.forget(each.name)
            draft.notes.left(each.line, each.text, "it is no plain assignment, and is not evaluated")
            continue
        variables.forget(each.name)
        match each.value():
            case Text() as text:
                _assigned(draft, variables, each, text)
            case Statement() as call if call.name == "credentials":
                variables.credentials.add(each.name)
                variables.credentials.update(f"{each.name}{end}" for end in ("_USR", "_PSW"))
                words = "credentials are never copied: settings of the pipeline (docs/security.md), or workload.secrets"
                draft.notes.left(each.line, each.text, words)
            case _:
                variables.unknown[each.name] = f"{each.name} is an expression, which only a build of Jenkins knows"
                text = each.name if is_secret(each.name, "") else each.text
                draft.notes.left(each.line, text, "an expression, which only a build of Jenkins knows")


def _assigned(draft: Draft, variables: Variables, each: Statement, text: Text) -> None:
    try:
        value = variables.text(text)
    except Unknown as why:
        variables.unknown[each.name] = str(why)
        draft.notes.left(each.line, each.text, str(why))
        return
    if is_secret(each.name, value):
        variables.credentials.add(each.name)
        draft.notes.left(each.line, each.name, "it looks like a credential, and credentials are never copied")
        return
    variables.values[each.name] = value
    draft.assigned.append((each.line, each.text, each.name))
