"""Production is asked for again once what a release waited for is over: exactly once, and only of the newest candidate.

Looked at now and then, from what is noted, so nothing is held open, and a restart changes nothing. In this order: a
candidate that a newer one has come after is given up; what waits is looked at without asking anybody outside; once
nothing is awaited, the release must not have been in production or turned back meanwhile, nor may something newer have
been there; and last `authorise_deploy` says whether the run would be let through. A release that it refuses for another
reason is given up: whoever mends it asks anew. The run's name follows from what was approved, so one that two ask for
is one (`request_production`).
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import NotYet, Refused
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.authorise_deploy import authorise_deploy
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_candidates import Candidate, Standing, candidates, remember
from shopkart_pipeline.services.production_history import last_turn_back, newest_placements
from shopkart_pipeline.services.request_production import note_asked, run_request, still_awaited
from shopkart_pipeline.services.requests import RunRequest
from shopkart_pipeline.services.specify_workload import is_there

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """What came of a look at a release that waits."""

    service: str
    release_key: str
    """Empty where the service could not be looked at."""
    words: str
    is_new: bool = False
    """Whether it waits no more."""

    def __str__(self) -> str:
        name = f"{self.service}@{self.release_key}" if self.release_key else self.service
        return f"{name}: {self.words}"


def ask_again(platform: Platform, launch: Callable[[RunRequest], object]) -> tuple[Seen, ...]:
    """Ask for production of every release that waits no more; returns what waits and what was done. One service's
    trouble hides no other's.

    Args:
        platform: the ports.
        launch: makes sure that the run of a request exists, however often it is called.
    """
    said: list[Seen] = []
    for service in platform.pipeline.services:
        try:
            said += _look_at(platform, service, launch)
        except Exception as error:
            log.exception("what %s waits for could not be looked at", service)
            said.append(Seen(service, "", f"could not be looked at: {type(error).__name__}"))
    return tuple(said)


def _look_at(platform: Platform, service: str, launch: Callable[[RunRequest], object]) -> Iterator[Seen]:
    known = candidates(platform, service)
    for older in known[1:]:
        if older.standing is Standing.WAITS:
            yield _give_up(platform, service, older, f"superseded by {known[0].release_key}")
    if known and known[0].standing is Standing.WAITS:
        yield _look_at_newest(platform, service, known[0], launch)


def _look_at_newest(
    platform: Platform, service: str, candidate: Candidate, launch: Callable[[RunRequest], object]
) -> Seen:
    release = platform.evidence.release(service, candidate.release_key)
    waits = still_awaited(platform, release)
    lines = "; ".join(each.line for each in waits)
    if waits and all(each.passes for each in waits):
        return Seen(service, release.key, f"waits: {lines}")
    hindrance = lines or _hindrance(platform, release, candidate)
    if hindrance:
        return _give_up(platform, service, candidate, hindrance)
    try:
        approvers = authorise_deploy(platform, release).approvers
    except NotYet as refusal:
        return Seen(service, release.key, refusal.what)
    except Refused as refusal:
        return _give_up(platform, service, candidate, refusal.what)
    words = "the wait is over" + (f", approved by {', '.join(approvers)}" if approvers else "")
    request = run_request(platform, release, platform.evidence.latest(service, release.key), words)
    launch(request)
    note_asked(platform, release, request)
    return Seen(service, release.key, words, is_new=True)


def _hindrance(platform: Platform, release: Release, candidate: Candidate) -> str:
    """Why a release that waits for nothing any more doesn't go by itself all the same; empty where nothing is."""
    environment = platform.deployment_of(platform.service(release.service), Phase.PRODUCTION).environment
    if last_turn_back(platform, release.service, release.key, environment) != candidate.turned_back:
        return f"it was turned back in {environment} meanwhile"
    for placed in newest_placements(platform, release.service, environment):
        other_configuration = placed.release_key == release.key and not is_there(platform, release, placed)
        if placed.release_key >= release.key and not other_configuration:
            what = "it is" if placed.release_key == release.key else f"{placed.release_key} is newer, and was"
            return f"{what} in {environment} already"
        if placed.at < candidate.since:
            break
    return ""


def _give_up(platform: Platform, service: str, candidate: Candidate, reason: str) -> Seen:
    release = platform.evidence.release(service, candidate.release_key)
    words = f"production is not asked for any more: {reason}"
    remember(platform, release, Standing.GIVEN_UP, words, turned_back=candidate.turned_back, about=candidate.about)
    return Seen(service, release.key, words, is_new=True)
