"""Which release is to blame? Those that came shortly before are looked at, and one of them is suspected.

Three things make a release suspicious: when it came, errors that were never seen before it and come from it alone, and
what it changed that tests see least of (migrations, configuration). What came after the trouble began did not cause it,
and what had left before it can't either. This orders where people look first; it proves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shopkart_pipeline.domain.incident import ErrorSignature, Suspect

_AT_ONCE, _SOON = timedelta(minutes=10), timedelta(hours=1)
_SLACK = timedelta(seconds=5)
"""Clocks differ, and so do the moments at which things are noticed."""
_SHOWN_PATHS = 5
_STRONG = 4
"""Own errors weigh more than any time does."""


@dataclass(frozen=True)
class Arrival:
    """A release that got traffic in an environment."""

    service: str
    release_key: str
    digest: str
    at: datetime
    left_at: datetime | None = None
    """When it was turned back; None while it is there, or was replaced by a newer one."""
    paths: tuple[str, ...] | None = None
    """What it changed in the repository; None: nobody could tell."""
    configuration: tuple[str, ...] = ()
    """Names of what is configured otherwise than before it."""
    migrations: tuple[str, ...] = ()
    """Names of the stages that changed the database for it."""


def weigh(
    service: str,
    arrivals: Sequence[Arrival],
    signatures: Sequence[ErrorSignature],
    began_at: datetime,
    window: timedelta,
) -> tuple[Suspect, ...]:
    """The releases inside the window, newest first, each with its reasons.

    Args:
        service: whose objective is hurt; releases of services that it depends on weigh less.
        arrivals: what came to the environment.
        signatures: errors of the time of the incident, with how often each was there before.
        began_at: when the trouble began.
        window: how long before that a release may have come.
    """
    near = [each for each in arrivals if began_at - window <= each.at <= began_at + _SLACK]
    there = [each for each in near if each.left_at is None or each.left_at >= began_at - _SLACK]
    newest_first = sorted(there, key=lambda each: each.at, reverse=True)
    return tuple(_suspect(service, each, signatures, began_at) for each in newest_first)


def most_suspicious(suspects: Sequence[Suspect]) -> Suspect | None:
    """The one with the most weight, of equal ones the newest; None where there is none."""
    return max(suspects, key=lambda each: (each.weight, each.at), default=None)


def _suspect(service: str, arrival: Arrival, signatures: Sequence[ErrorSignature], began_at: datetime) -> Suspect:
    before = max(began_at - arrival.at, timedelta(0))
    weight = 3 if before <= _AT_ONCE else 2 if before <= _SOON else 1
    reasons = [f"it got traffic {_words(before)} before it began"]
    own = [each for each in signatures if _is_first_seen_in(each, arrival, signatures)]
    if own:
        weight += _STRONG
        reasons += [
            f"{each.count} errors of the kind {each.signature!r} come from it alone, {_past(each)}" for each in own
        ]
    if arrival.migrations:
        weight += 1
        reasons.append(f"it changed the database ({', '.join(arrival.migrations)})")
    if arrival.configuration:
        weight += 1
        reasons.append(f"it is configured otherwise ({', '.join(arrival.configuration)})")
    reasons.append(_changed(arrival))
    if arrival.service != service:
        weight -= 1
        reasons.append(f"{service} depends on {arrival.service}")
    return Suspect(arrival.service, arrival.release_key, arrival.digest, arrival.at, tuple(reasons), weight)


def _is_first_seen_in(signature: ErrorSignature, arrival: Arrival, all_of_them: Sequence[ErrorSignature]) -> bool:
    elsewhere = any(
        each.signature == signature.signature and each.release_key != arrival.release_key for each in all_of_them
    )
    return signature.release_key == arrival.release_key and not elsewhere and not signature.before


def _past(signature: ErrorSignature) -> str:
    return "and there was none before" if signature.before == 0 else "and nobody could count them before"


def _changed(arrival: Arrival) -> str:
    if arrival.paths is None:
        return "what it changed in the repository is not known"
    if not arrival.paths:
        return "it changed no file of the repository"
    further = len(arrival.paths) - _SHOWN_PATHS
    shown = ", ".join(arrival.paths[:_SHOWN_PATHS])
    return f"it changed {shown}{f' and {further} more' if further > 0 else ''}"


def _words(span: timedelta) -> str:
    seconds = span.total_seconds()
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
