"""The draft of a blameless postmortem, from facts alone. A person completes it.

It names releases and mechanisms, never people: also where a commit's title or a reason does (a merge commit's title
holds the login of whoever made the branch). A number that nobody measured is said to be missing.
"""

import re
from datetime import UTC, datetime

from shopkart_pipeline.domain.incident import Incident, IncidentStep
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.rollout_document import RolloutDocument


def write_postmortem(incident: Incident, release: Release, document: RolloutDocument) -> str:
    """The Markdown of the draft."""
    sections = [
        f"# Postmortem (draft): {incident.service} in {incident.environment}, {release.key}",
        "Blameless: it asks how the system let this happen, not who did it. Facts below are measured; what is in\n"
        "*italics* is for people to complete.",
        _summary(incident, release),
        _impact(incident, document),
        _timeline(incident),
        _signatures(incident),
        _missing(incident),
        "## Contributing factors\n\n*What made this change fail in production although every gate before had passed?*",
        _what_went_well(incident, document),
        "## Action items\n\n| what | owner | due |\n| --- | --- | --- |\n"
        "| *A test that would have stopped this release before production* | | |\n"
        "| *What else lets such a change through?* | | |",
        _links(incident, release),
    ]
    return _without_people("\n\n".join(section for section in sections if section) + "\n", release)


def _without_people(text: str, release: Release) -> str:
    logins = [release.actor, *(email.partition("@")[0] for email in release.people)]
    names = sorted({release.author.name, *release.people, *logins} - {""}, key=len, reverse=True)
    return re.sub("|".join(rf"(?<![\w.]){re.escape(name)}(?![\w.]*\w)" for name in names), "somebody", text)


def _summary(incident: Incident, release: Release) -> str:
    return (
        f"## Summary\n\nRelease `{release.name}` ({release.title}) was rolled back from {incident.environment}:\n"
        f"{incident.reason}."
    )


def _impact(incident: Incident, document: RolloutDocument) -> str:
    measured = document.was_measured
    rows = [
        ("Requests that the canary answered", str(incident.answered_requests) if measured else "not measured"),
        (
            "Requests that it answered with a server error",
            str(incident.failed_requests) if measured else "not measured",
        ),
        ("From introduced to detected", _between(incident, IncidentStep.INTRODUCED, IncidentStep.DETECTED)),
        ("From detected to rolled back", _between(incident, IncidentStep.DETECTED, IncidentStep.ROLLED_BACK)),
        ("From introduced to recovered", _between(incident, IncidentStep.INTRODUCED, IncidentStep.RECOVERED)),
        (
            "Largest planned share of traffic",
            f"{max((s.weight_percent for s in document.state.plan.steps), default=0)} %",
        ),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"## Impact\n\n| what | measured |\n| --- | --- |\n{table}"


def _between(incident: Incident, start: IncidentStep, end: IncidentStep) -> str:
    began, ended = incident.time_of(start), incident.time_of(end)
    if began is None or ended is None:
        return "not measured"
    return f"{(ended - began).total_seconds():.1f} s"


def _timeline(incident: Incident) -> str:
    lines = "\n".join(f"- {_clock(entry.at)} **{_words(entry.step)}**: {entry.text}" for entry in incident.timeline)
    return f"## Timeline (UTC)\n\n{lines}"


def _signatures(incident: Incident) -> str:
    if not incident.signatures:
        return ""
    rows = "\n".join(
        f"| `{_cell(each.signature)}` | {each.count} | `{each.release_key}` | {_cell(each.example)} |"
        for each in incident.signatures
    )
    return f"## Errors in the logs\n\n| kind | lines | version | example |\n| --- | --- | --- | --- |\n{rows}"


def _cell(text: str) -> str:
    """Text that fits into one cell of a table."""
    return " ".join(text.replace("|", "/").replace("`", "'").split())[:120]


def _missing(incident: Incident) -> str:
    if not incident.missing:
        return ""
    return "## What could not be established\n\n" + "\n".join(f"- {text}" for text in incident.missing)


def _what_went_well(incident: Incident, document: RolloutDocument) -> str:
    facts: list[str] = []
    if document.exposed_at is not None and document.promoted_at is None:
        facts.append("The canary kept the change away from stable.")
    if incident.time_of(IncidentStep.RECOVERED) is not None:
        facts.append("Recovery was verified against the objective.")
    return "## What went well\n\n" + "".join(f"- {fact}\n" for fact in facts) + "- *What else?*"


def _links(incident: Incident, release: Release) -> str:
    return (
        "## Links\n\n"
        f"- Change: `git show {release.sha}` in {release.repository}\n"
        f"- Release: `shopkart show {release.name}`\n"
        f"- Image: `{incident.suspected_digest}`"
    )


def _words(step: IncidentStep) -> str:
    return step.value.replace("_", " ")


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
