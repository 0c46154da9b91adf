"""`shopkart incident ID STEP`: the steps of whoever is on call. `shopkart incident open SERVICE` opens one by hand."""

import argparse
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.markup import escape

from shopkart_pipeline.cli.arguments import add_key, open_platform, who_asks
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import NotFound, Refused
from shopkart_pipeline.domain.incident import Incident, IncidentSeverity, IncidentSource, IncidentStep
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.services.authenticate import Principal
from shopkart_pipeline.services.close_incident import close_incident, verify
from shopkart_pipeline.services.gather_snapshot import gather_snapshot, is_gathered
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.raise_incident import raise_incident
from shopkart_pipeline.services.roll_back_incident import roll_back_incident
from shopkart_pipeline.services.take_step import take_step
from shopkart_pipeline.services.tell_incident import rollback_command
from shopkart_pipeline.services.verify_recovery import NotRecovered

_STEPS = {
    "ack": IncidentStep.ACKNOWLEDGED,
    "investigate": IncidentStep.INVESTIGATED,
    "logs": IncidentStep.LOGS_INSPECTED,
    "cause": IncidentStep.CAUSE_IDENTIFIED,
    "note": IncidentStep.NOTED,
}
_OPEN = "open"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    words = "an incident's id, or as much of it as is clear; `open` to open one"
    parser.add_argument("incident", metavar="ID", help=words)
    steps = ", ".join([*_STEPS, *_ACTS])
    parser.add_argument("step", nargs="?", metavar="STEP", help=f"{steps}; none: show it. With `open`: the service")
    parser.add_argument("--text", default="", help="what was found; names of people don't belong here")
    parser.add_argument("--reason", default="", help="with `open`: what is wrong, in one sentence")
    parser.add_argument("--environment", help="with `open`: where (default: production)")
    parser.add_argument("--severity", choices=[each.value for each in IncidentSeverity], default="critical")
    parser.add_argument("--override", default="", metavar="REASON", help="with `close`: close without a recovery")
    add_key(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="with `postmortem`: write it there")


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    if options.incident == _OPEN:
        incident = _open(platform, options)
        console.print(
            f"[bold]{incident.id}[/] is open; `shopkart incident {incident.id} ack` says that you look at it."
        )
        return 0
    incident = find(platform, options.incident)
    if options.step is None:
        _show(console, incident)
        return 0
    if options.step in _STEPS:
        actor = _operator(platform, incident, options)
        if options.step == "investigate" and not is_gathered(platform, incident.id):
            gather_snapshot(platform, incident.id)
        _show(console, take_step(platform, incident.id, _STEPS[options.step], actor, options.text))
        return 0
    act = _ACTS.get(options.step)
    if act is None:
        raise Refused(f"There is no step {options.step!r}.", f"Use one of: {', '.join([*_STEPS, *_ACTS])}.")
    return act(platform, console, incident, options)


def _open(platform: Platform, options: argparse.Namespace) -> Incident:
    if not options.step or not options.reason.strip():
        raise Refused("Nothing was said about what is wrong.", "shopkart incident open SERVICE --reason ...")
    service = platform.service(options.step)
    environment = options.environment or platform.environment_of(Phase.PRODUCTION).name
    if environment not in service.deployments:
        raise NotFound(f"There is no environment {environment!r}.", f"Declared are: {', '.join(service.deployments)}.")
    reason, severity = " ".join(options.reason.split()), IncidentSeverity(options.severity)
    words = {"step": _OPEN, "environment": environment, "reason": reason}
    who_asks(platform, options, Verb.HANDLE_INCIDENT, service.name, **words)
    return raise_incident(platform, IncidentSource.PERSON, service.name, environment, reason, severity=severity)


def _operator(platform: Platform, incident: Incident, options: argparse.Namespace) -> Principal:
    """Whoever asks for a step, if they may."""
    words = {"incident": incident.id, "step": options.step, "environment": incident.environment}
    said = {name: text for name, text in (("text", options.text), ("override", options.override)) if text}
    return who_asks(platform, options, Verb.HANDLE_INCIDENT, incident.service, **words, **said)


def find(platform: Platform, name: str) -> Incident:
    """The incident that a person means; its id may be cut short as long as it is clear."""
    known = platform.incidents.list()
    found = [each for each in known if each.id == name] or [each for each in known if name in each.id]
    if len(found) != 1:
        raise NotFound(f"{len(found)} incidents match {name!r}.", "See `shopkart incidents` for those there are.")
    return found[0]


def _roll_back(platform: Platform, console: Console, incident: Incident, options: argparse.Namespace) -> int:
    actor = _operator(platform, incident, options)
    _show(console, roll_back_incident(platform, incident.id, actor, f"incident-{uuid4()}"))
    return 0


def _verify(platform: Platform, console: Console, incident: Incident, options: argparse.Namespace) -> int:
    _operator(platform, incident, options)
    found = verify(platform, incident.id)
    if isinstance(found, NotRecovered):
        console.print(f"[bold red]Nobody sees a recovery:[/] {escape(found.reason)}")
        return 1
    _show(console, found)
    return 0


def _close(platform: Platform, console: Console, incident: Incident, options: argparse.Namespace) -> int:
    actor = _operator(platform, incident, options)
    _show(console, close_incident(platform, incident.id, actor, options.override))
    return 0


def _postmortem(platform: Platform, console: Console, incident: Incident, options: argparse.Namespace) -> int:
    text = platform.incidents.postmortem(incident.id)
    if text is None:
        raise NotFound(f"Incident {incident.id} has no postmortem yet.", "It is drafted when the incident is closed.")
    if options.out is None:
        console.print(text, markup=False)
        return 0
    _write(platform, incident, text, options.out)
    console.print(f"{options.out}: complete what is in *italics*, and open a pull request with it.", markup=False)
    return 0


def _write(platform: Platform, incident: Incident, text: str, out: Path) -> None:
    """The page, and its pictures in a folder beside it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    for name in platform.incidents.attached(incident.id):
        if f"]({name})" in text and name.endswith(".png"):
            folder = out.parent / incident.id
            folder.mkdir(exist_ok=True)
            (folder / name).write_bytes(platform.incidents.attachment(incident.id, name))
            text = text.replace(f"]({name})", f"]({incident.id}/{name})")
    out.write_text(text)


_ACTS: dict[str, Callable[[Platform, Console, Incident, argparse.Namespace], int]] = {
    "rollback": _roll_back,
    "verify": _verify,
    "close": _close,
    "postmortem": _postmortem,
}


def _show(console: Console, incident: Incident) -> None:
    state = "open" if incident.is_open else "closed"
    console.print(f"[bold]{incident.id}[/]  {incident.severity}, {state}")
    console.print(f"  {_words(incident.reason)}")
    for entry in incident.timeline:
        console.print(f"  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.step.replace('_', ' '):<20} {_words(entry.text)}")
    suspect = incident.suspect
    if suspect is not None:
        console.print(f"  suspected: [bold]{suspect.name}[/]")
        for reason in suspect.reasons:
            console.print(f"    {_words(reason)}")
        if incident.is_open and incident.time_of(IncidentStep.ROLLED_BACK) is None:
            console.print(f"  take it back: {rollback_command(incident)}")
    for text in incident.missing:
        console.print(f"  not known: {_words(text)}")


def _words(text: str) -> str:
    """What alerts and logs say, as a terminal may show it."""
    return escape(plain(text))
