"""The draft of a blameless postmortem, from facts alone. A person completes it.

It names releases and mechanisms, never people: also where a commit's title or a reason does (a merge commit's title
holds the login of whoever made the branch). A number that nobody measured is said to be missing, and each number links
to the evidence that it was read from. What stands in logs, alerts and commits is text here, whatever it would be in
Markdown.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from shopkart_pipeline.domain.analysis import Objective
from shopkart_pipeline.domain.canonical import digest_of
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.incident import Incident, IncidentStep
from shopkart_pipeline.domain.incident_policy import began
from shopkart_pipeline.domain.plain_text import in_markdown
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.vitals import Vital
from shopkart_pipeline.ports.incident_store import POSTMORTEM
from shopkart_pipeline.services.incident_links import incident_links, suspected_release
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.postmortem_impact import ROLLOUT, SNAPSHOT, TIMELINE, impact_rows
from shopkart_pipeline.services.rollout_document import RolloutDocument

FOLDER = "docs/postmortems"
"""Where it is completed, in the repository of the service."""


def write_postmortem(platform: Platform, incident: Incident, document: RolloutDocument | None = None) -> str:
    """The Markdown of the draft.

    Args:
        platform: the ports.
        incident: what happened.
        document: the rollout that brought the suspected release; None where none is known.
    """
    release = suspected_release(platform, incident)
    attached = _attached(platform, incident)
    sections = [
        f"# Postmortem (draft): {incident.service} in {incident.environment}, {incident.id}",
        "Blameless: it asks how the system let this happen, not who did it. Facts below are measured; what is in\n"
        "*italics* is for people to complete.",
        _summary(incident, release),
        _impact(incident, document, _objectives(platform, incident)),
        _timeline(incident),
        _signatures(incident),
        _pictures(attached),
        _missing(incident),
        _contributing(incident),
        _what_went_well(incident, document),
        _action_items(),
        _links(platform, incident, release),
        _evidence(incident, document, attached),
    ]
    return _without_people("\n\n".join(section for section in sections if section) + "\n", release)


def _attached(platform: Platform, incident: Incident) -> tuple[str, ...]:
    try:
        return platform.incidents.attached(incident.id)
    except PipelineError:
        return ()


def _objectives(platform: Platform, incident: Incident) -> tuple[Objective, ...]:
    declared = platform.pipeline.services.get(incident.service)
    deployment = declared.deployments.get(incident.environment) if declared is not None else None
    return deployment.objectives if deployment is not None else ()


def _without_people(text: str, release: Release | None) -> str:
    if release is None:
        return text
    logins = [release.actor, *(email.partition("@")[0] for email in release.people)]
    names = sorted({release.author.name, *release.people, *logins} - {""}, key=len, reverse=True)
    return re.sub("|".join(rf"(?<![\w.]){re.escape(name)}(?![\w.]*\w)" for name in names), "somebody", text)


def _summary(incident: Incident, release: Release | None) -> str:
    reason = in_markdown(incident.reason)
    what = f"Opened at {_clock(incident.opened_at)} UTC, {incident.severity}:\n{reason}."
    if release is not None:
        back = incident.time_of(IncidentStep.ROLLED_BACK)
        became = f"was rolled back from {incident.environment}" if back else "is suspected"
        what = f"Release `{release.name}` ({in_markdown(release.title)}) {became}:\n{reason}."
    cause = in_markdown(_entry(incident, IncidentStep.CAUSE_IDENTIFIED)) or "*What was the cause?*"
    return f"## Summary\n\n{what}\n\nCause: {cause}"


def _entry(incident: Incident, step: IncidentStep) -> str:
    return next((entry.text for entry in incident.timeline if entry.step is step), "")


def _impact(incident: Incident, document: RolloutDocument | None, objectives: tuple[Objective, ...]) -> str:
    rows = impact_rows(incident, document, objectives)
    table = "\n".join(f"| {row.what} | {row.value} | [{row.evidence}](#{row.evidence}) |" for row in rows)
    if document is not None:
        share = max((step.weight_percent for step in document.state.plan.steps), default=0)
        table += f"\n| Largest planned share of traffic | {share} % | [{ROLLOUT}](#{ROLLOUT}) |"
    return f"## Impact\n\n| what | measured | evidence |\n| --- | --- | --- |\n{table}"


def _timeline(incident: Incident) -> str:
    lines = [f"- {_clock(entry.at)} **{_words(entry.step)}**: {in_markdown(entry.text)}" for entry in incident.timeline]
    return "\n".join(("## Timeline (UTC)", "", *lines))


def _signatures(incident: Incident) -> str:
    if not incident.signatures:
        return ""
    rows = "\n".join(
        f"| `{_cell(each.signature)}` | {each.count} | {'?' if each.before is None else each.before} "
        f"| `{each.release_key}` | {in_markdown(_cell(each.example))} |"
        for each in incident.signatures
    )
    head = "| kind | lines | expected by the time before | version | example |\n| --- | --- | --- | --- | --- |"
    return f"## Errors in the logs\n\n{head}\n{rows}"


def _cell(text: str) -> str:
    """Text that fits into one cell of a table."""
    return " ".join(text.replace("|", "/").replace("`", "'").split())[:120]


def _pictures(attached: Sequence[str]) -> str:
    """They lie beside the page."""
    pictures = [f"![{vital.words}]({vital}.png)" for vital in Vital if f"{vital}.png" in attached]
    return "## Metrics\n\n" + "\n".join(pictures) if pictures else ""


def _missing(incident: Incident) -> str:
    if not incident.missing:
        return ""
    return "## What could not be established\n\n" + "\n".join(f"- {in_markdown(text)}" for text in incident.missing)


def _contributing(incident: Incident) -> str:
    suspect = incident.suspect
    lines = [f"- {suspect.name}: {in_markdown(each)}" for each in suspect.reasons] if suspect is not None else []
    failures = [entry.text for entry in incident.timeline if entry.step is IncidentStep.ROLLBACK_FAILED]
    lines += [f"- a rollback failed: {in_markdown(text)}" for text in failures]
    asked = "*What made this change fail in production although every gate before had passed?*"
    return "\n".join(["## Contributing factors", "", *lines, *([""] if lines else []), asked])


def _what_went_well(incident: Incident, document: RolloutDocument | None) -> str:
    facts: list[str] = []
    if document is not None and document.exposed_at is not None and document.promoted_at is None:
        facts.append("The canary kept the change away from stable.")
    if incident.time_of(IncidentStep.RECOVERED) is not None:
        facts.append("Recovery was verified against the objective.")
    if incident.time_of(IncidentStep.ACKNOWLEDGED) is not None:
        facts.append("Somebody acknowledged it.")
    return "## What went well\n\n" + "".join(f"- {fact}\n" for fact in facts) + "- *What else?*"


def _action_items() -> str:
    return (
        "## Action items\n\n"
        "- [ ] *A test that would have stopped this release before production* (owner: , due: )\n"
        "- [ ] *What else lets such a change through?* (owner: , due: )"
    )


def _links(platform: Platform, incident: Incident, release: Release | None) -> str:
    lines = [f"- Incident: `shopkart incident {incident.id}`"]
    if release is not None:
        since = f"{release.previous_sha}..{release.sha}" if release.previous_sha else release.sha
        verb = "diff" if release.previous_sha else "show"
        lines += [
            f"- Change: `git {verb} {since}` in {release.repository}",
            f"- Release: `shopkart show {release.name}`, commit {release.sha}",
        ]
    if incident.suspected_digest:
        lines.append(f"- Image: `{incident.suspected_digest}`")
    lines += [f"- {in_markdown(name)}: {address}" for name, address in incident_links(platform, incident)]
    lines.append(f"- This page, completed: `{FOLDER}/{incident.id}.md` in the repository, by a pull request")
    return "## Links\n\n" + "\n".join(lines)


def _evidence(incident: Incident, document: RolloutDocument | None, attached: Sequence[str]) -> str:
    """What the numbers were read from; each has an anchor of its name."""
    beside = ", ".join(f"`{name}`" for name in attached if name != POSTMORTEM) or "nothing was kept beside the incident"
    report = (
        "no rollout was under way"
        if document is None
        else f"`rollout.json`, `{digest_of(replace(document, concluded=False))}`"
    )
    window = f"{_clock(began(incident))} UTC and after"
    known = {
        ROLLOUT: f"the rollout's report ({report})",
        SNAPSHOT: f"what was gathered at the beginning, from {window}: {beside}",
        TIMELINE: "the times above, each as somebody or something observed it; who did it stands in the ledger",
    }
    lines = "\n".join(f'- <a id="{name}"></a>**{name}**: {words}' for name, words in known.items())
    return f"## Evidence\n\n{lines}"


def _words(step: IncidentStep) -> str:
    return step.value.replace("_", " ")


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
