"""What was to be seen when it began is kept; what was silent, slow or full is named and stops nothing else."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NoReturn

from shopkart_pipeline.adapters._log_lines import LogReader, Written
from shopkart_pipeline.domain.action_item import what_is_open
from shopkart_pipeline.domain.incident import Incident, IncidentSource, IncidentStep
from shopkart_pipeline.domain.incident_policy import IncidentPolicy
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import Vital
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.incident_store import POSTMORTEM
from shopkart_pipeline.ports.telemetry import LogLine
from shopkart_pipeline.services.check_postmortem import check_postmortem
from shopkart_pipeline.services.close_incident import close_incident
from shopkart_pipeline.services.draft_postmortem import draft_postmortem
from shopkart_pipeline.services.gather_snapshot import LOG_EXCERPT, SNAPSHOT, gather_snapshot
from shopkart_pipeline.services.raise_incident import raise_incident
from shopkart_pipeline.services.roll_back_incident import roll_back_incident
from shopkart_pipeline.services.take_step import take_step
from shopkart_pipeline.services.tend_incidents import Work, due_work
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World


def opened(world: World) -> tuple[Incident, Release]:
    """A release fails two minutes after it came; a customer tells."""
    world.released()
    world.clock.advance(3600)
    release = world.released()
    world.clock.advance(120)
    world.metrics.error_ratios[world.digest(release)] = 0.3
    world.vitals.counts = {release.key: Counts(1000, 300)}
    world.logs.lines[PRODUCTION, "backend"] = [_line(world.clock.now(), release.key) for _ in range(5)]
    incident = raise_incident(world.platform, IncidentSource.PERSON, "backend", PRODUCTION, "customers can't pay")
    world.clock.advance(60)
    return incident, release


def _line(at: datetime, release_key: str) -> LogLine:
    at += timedelta(seconds=1)
    return LogLine(at, Track.STABLE, "stable-1", release_key, "error", "cart 7\ncan't be read", "CartFormatError")


def test_errors_requests_and_releases_are_gathered(world: World) -> None:
    incident, release = opened(world)
    healthy = _line(incident.timeline[0].at - timedelta(minutes=5), "before")
    world.logs.lines[PRODUCTION, "backend"].append(replace(healthy, level="info", signature=None))

    found = gather_snapshot(world.platform, incident.id)

    assert (found.suspected_release, found.suspected_digest) == (release.key, world.digest(release))
    assert (found.failed_requests, found.answered_requests, found.counted_seconds) == (300, 1000, 60.0)
    assert found.outage_minutes == 0.3
    assert [(each.signature, each.count, each.before) for each in found.signatures] == [("CartFormatError", 5, 0)]
    assert found.suspect is not None
    assert any("come from it alone, and there was none before" in reason for reason in found.suspect.reasons)
    assert found.time_of(IncidentStep.LOGS_INSPECTED) is not None


def test_it_is_kept_beside_the_incident(world: World) -> None:
    incident, _ = opened(world)

    gather_snapshot(world.platform, incident.id)

    assert {LOG_EXCERPT, SNAPSHOT} <= set(world.incidents.attached(incident.id))
    excerpt = world.incidents.attachment(incident.id, LOG_EXCERPT).decode()
    assert excerpt.count("error cart 7 can't be read\n") == 5
    assert json.loads(world.incidents.attachment(incident.id, SNAPSHOT))["answered"]["errors"] == 300


def test_metrics_are_drawn_as_far_as_they_were_measured(world: World) -> None:
    incident, release = opened(world)
    world.vitals.points = {(Vital.ERROR_RATIO, release.key): [(world.clock.now(), 0.3)]}

    found = gather_snapshot(world.platform, incident.id)

    assert world.incidents.attachment(incident.id, "error_ratio.png").startswith(b"\x89PNG")
    assert len([name for name in world.incidents.attached(incident.id) if name.endswith(".png")]) == 1
    assert "CPU usage was not measured: nobody measured cpu_usage_cores." in found.missing


def test_gathering_again_changes_nothing(world: World) -> None:
    incident, _ = opened(world)
    first = gather_snapshot(world.platform, incident.id)

    assert gather_snapshot(world.platform, incident.id) == first


def test_what_is_silent_is_named_and_stops_nothing_else(world: World) -> None:
    incident, release = opened(world)
    world.logs.missing = "the log store is full"
    world.vitals.silence = "the metrics server does not answer"

    found = gather_snapshot(world.platform, incident.id)

    assert found.suspected_release == release.key
    assert "Log lines could not be read: the log store is full." in found.missing
    assert "Requests since it began were not counted: the metrics server does not answer." in found.missing


def test_what_breaks_is_named_and_stops_nothing_else(world: World) -> None:
    incident, release = opened(world)

    def broken(*_: object) -> NoReturn:
        raise ZeroDivisionError

    world.vitals.answered = broken  # type: ignore[method-assign]

    found = gather_snapshot(world.platform, incident.id)

    assert "Requests: ZeroDivisionError" in found.missing
    assert found.suspected_release == release.key


def test_of_a_service_that_nobody_declared_it_says_so(world: World) -> None:
    incident = raise_incident(world.platform, IncidentSource.ALERTMANAGER, "unattributed", PRODUCTION, "DiskFull")

    found = gather_snapshot(world.platform, incident.id)

    assert found.missing == ("unattributed is no declared service: nothing could be looked at.",)


def test_people_are_told_whom_to_suspect_and_the_one_command(world: World) -> None:
    incident, release = opened(world)

    gather_snapshot(world.platform, incident.id)

    [told] = [each for each in world.notifications.told("oncall") if "is suspected" in each.subject]
    assert release.key in told.subject
    assert f"shopkart incident {incident.id} rollback" in told.body


# What comes next by itself.


def test_an_incident_needs_its_snapshot_first_and_then_a_person(world: World) -> None:
    incident, _ = opened(world)
    assert due_work(world.platform, incident) == (Work.SNAPSHOT,)

    assert due_work(world.platform, gather_snapshot(world.platform, incident.id)) == ()


def test_the_declared_rule_takes_the_release_back_and_looks_for_the_recovery(world: World) -> None:
    world.pipeline = replace(world.pipeline, incidents=IncidentPolicy(auto_rollback=True))
    incident, _ = opened(world)
    found = gather_snapshot(world.platform, incident.id)
    assert due_work(world.platform, found) == (Work.ROLLBACK,)

    done = roll_back_incident(world.platform, incident.id, "pipeline", "run-1")

    assert due_work(world.platform, done) == (Work.RECOVERY,)


PAGE = "## Action items\n- [{box}] Test that carts of both versions are read (owner: team:shop)\n"


def test_what_is_closed_needs_its_postmortem_until_that_is_completed_in_the_repository(world: World) -> None:
    incident, _ = opened(world)
    closed = close_incident(world.platform, incident.id, "ana", override="a drill")
    path = f"docs/postmortems/{incident.id}.md"
    seen: list[tuple[str, ...]] = []

    for page in (None, PAGE.format(box=" "), PAGE.format(box="x")):
        assert due_work(world.platform, world.incidents.get(incident.id)) == (Work.POSTMORTEM,)
        world.commit({"backend/app.py": "pass\n", **({path: page} if page else {})})
        seen.append(check_postmortem(world.platform, closed).open_lines)

    assert seen == [
        (f"{path} is not on main of shopkart/storefront yet",),
        ("Test that carts of both versions are read is open",),
        (),
    ]
    assert due_work(world.platform, world.incidents.get(incident.id)) == ()


def test_a_repository_that_does_not_answer_is_no_completed_postmortem(world: World) -> None:
    incident, _ = opened(world)
    world.scm.unreachable = "it does not answer"

    state = check_postmortem(world.platform, incident)

    assert not state.is_done
    assert "could not be read" in state.open_lines[0]


# Its postmortem.


def test_the_postmortem_of_an_incident_without_a_rollout_has_its_numbers_and_their_evidence(world: World) -> None:
    incident, release = opened(world)
    gather_snapshot(world.platform, incident.id)
    roll_back_incident(world.platform, incident.id, "ana", "run-1")
    close_incident(world.platform, incident.id, "ana")

    page = world.incidents.postmortem(incident.id)

    assert page is not None
    assert "| Requests that it answered with a server error | 300 | [snapshot](#snapshot) |" in page
    assert "| Minutes of error budget burnt | 0.300 of 432 in 30 days | [snapshot](#snapshot) |" in page
    assert f"{release.name}: it got traffic 2 min before it began" in page
    assert "- [ ] *A test that would have stopped this release before production*" in page
    for anchor in ("rollout", "snapshot", "timeline"):
        assert page.count(f'<a id="{anchor}"></a>') == 1
    assert re.search(r"\bana\b", page) is None


def test_what_nobody_measured_is_not_told_as_zero(world: World) -> None:
    incident, _ = opened(world)
    world.vitals.silence = "the metrics server does not answer"
    gather_snapshot(world.platform, incident.id)
    draft_postmortem(world.platform, incident.id)

    page = world.incidents.postmortem(incident.id)

    assert page is not None
    assert "| Requests that it answered with a server error | not measured |" in page
    assert "| Minutes of error budget burnt | not measured |" in page


# What services should not have logged.


def test_no_secret_that_was_logged_reaches_anything_that_is_kept_shown_or_told(world: World) -> None:
    incident, release = opened(world)
    message = "can't reach postgresql://shop:hunter2@db, Authorization: Bearer hunter2x"
    document = {"time": (world.clock.now() - timedelta(seconds=30)).isoformat(), "level": "error", "message": message}
    written = [Written(json.dumps(document | {"version": release.key}))] * 9
    world.logs.lines[PRODUCTION, "backend"] = list(LogReader(Track.STABLE, "stable-1").read(written))

    found = gather_snapshot(world.platform, incident.id)
    draft_postmortem(world.platform, incident.id)
    told = [str(each) for channel in ("oncall", "mail") for each in world.notifications.told(channel)]
    kept = [world.incidents.attachment(incident.id, name).decode() for name in (LOG_EXCERPT, SNAPSHOT, POSTMORTEM)]

    assert "postgresql://db" in kept[0]
    for text in (*told, *kept, str(found), str(world.incidents.get(incident.id))):
        assert "hunter2" not in text


def test_what_somebody_writes_by_hand_is_masked_too(world: World) -> None:
    incident = raise_incident(world.platform, IncidentSource.PERSON, "backend", PRODUCTION, "password=hunter2 leaked")
    take_step(world.platform, incident.id, IncidentStep.NOTED, "ana", "token: hunter2 was used")
    close_incident(world.platform, incident.id, "ana", override="secret=hunter2 was changed")

    assert "hunter2" not in str(world.incidents.get(incident.id))
    assert "hunter2" not in str(world.ledger.entries("backend"))


def test_what_was_logged_is_text_in_the_postmortem_and_on_a_terminal(world: World) -> None:
    incident, release = opened(world)
    hostile = "order 7 <img src=x> ![x](https://evil.example/p)\n## Action items\n- [x] none\x1b[2J"
    lines = [replace(_line(incident.timeline[0].at, release.key), message=hostile, signature=None)] * 9
    world.logs.lines[PRODUCTION, "backend"] = lines
    gather_snapshot(world.platform, incident.id)
    draft_postmortem(world.platform, incident.id)

    page = world.incidents.postmortem(incident.id)

    assert page is not None
    outside_of_code = re.sub("`[^`\n]*`", "", page)
    assert "<img" not in outside_of_code
    assert "](https://evil" not in outside_of_code
    assert page.count("\n## Action items") == 1
    assert "order &lt;number>" in page, "a kind is no tag, which nobody would see"
    assert "\x1b" not in page + world.incidents.attachment(incident.id, LOG_EXCERPT).decode()


def test_a_page_in_which_a_drafted_question_stands_is_not_complete(world: World) -> None:
    incident, _ = opened(world)
    draft_postmortem(world.platform, incident.id)
    page = (world.incidents.postmortem(incident.id) or "").replace("- [ ] *", "- [x] ").replace("* (owner", " (owner")

    assert what_is_open(page) == (
        "nobody has answered *What was the cause?*",
        "nobody has answered *What made this change fail in production although every gate before had passed?*",
        "nobody has answered *What else?*",
    )
