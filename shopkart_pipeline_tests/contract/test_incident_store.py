"""What every incident store owes its callers: one suite over the fake, folders and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.disk_incidents import DiskIncidentStore
from shopkart_pipeline.adapters.postgres_incidents import PostgresIncidentStore
from shopkart_pipeline.domain.errors import NotFound, Refused
from shopkart_pipeline.domain.incident import ErrorSignature, Incident, IncidentStep, TimelineEntry
from shopkart_pipeline.ports.incident_store import POSTMORTEM, IncidentStore
from shopkart_pipeline_tests.fakes.memory_incidents import MemoryIncidentStore

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(params=["memory", "disk", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> IncidentStore:
    match request.param:
        case "memory":
            return MemoryIncidentStore()
        case "disk":
            return DiskIncidentStore(tmp_path / "below")
        case _:
            return PostgresIncidentStore(request.getfixturevalue("stores"))


def an_incident(number: int = 1) -> Incident:
    return Incident(
        id=f"backend-{number}-production",
        service="backend",
        environment="production",
        suspected_release="key",
        suspected_digest="sha256:x",
        reason="errors ✓",
        failed_requests=3,
        answered_requests=20,
        timeline=(TimelineEntry(NOON + timedelta(hours=number), IncidentStep.DETECTED, "errors"),),
        signatures=(ErrorSignature("CartFormatError", 3, "cart 1", "key"),),
        missing=("Log lines could not be read.",),
    )


def kept(store: IncidentStore, incident: Incident) -> Incident:
    return store.keep(lambda known: incident)


def test_an_incident_comes_back_as_it_was_kept(store: IncidentStore) -> None:
    kept(store, an_incident())
    store.attach("backend-1-production", POSTMORTEM, "# Postmortem ✓\n".encode())

    assert store.get("backend-1-production") == an_incident()
    assert store.postmortem("backend-1-production") == "# Postmortem ✓\n"


def test_an_incident_that_changes_keeps_what_is_beside_it(store: IncidentStore) -> None:
    kept(store, an_incident())
    store.attach("backend-1-production", POSTMORTEM, b"draft")
    at = NOON + timedelta(hours=3)

    later = store.change("backend-1-production", lambda it: it.with_entry(at, IncidentStep.RECOVERED, "fine again"))

    assert store.get(later.id) == later == an_incident().with_entry(at, IncidentStep.RECOVERED, "fine again")
    assert store.postmortem(later.id) == "draft"


def test_a_change_that_is_refused_changes_nothing(store: IncidentStore) -> None:
    kept(store, an_incident())

    def refuse(incident: Incident) -> Incident:
        raise Refused("It is not over.", "")

    with pytest.raises(Refused):
        store.change("backend-1-production", refuse)

    assert store.get("backend-1-production") == an_incident()


def test_whoever_opens_an_incident_sees_those_that_there_are(store: IncidentStore) -> None:
    kept(store, an_incident(1))
    kept(store, an_incident(2))
    seen: list[str] = []

    def join(known: tuple[Incident, ...]) -> Incident:
        seen.extend(incident.id for incident in known)
        return known[-1]

    assert store.keep(join) == an_incident(1)
    assert seen == ["backend-2-production", "backend-1-production"]


def test_of_two_who_change_it_at_once_neither_is_lost(store: IncidentStore) -> None:
    kept(store, replace(an_incident(), missing=()))
    names = [f"missing {number}" for number in range(12)]

    def miss(name: str) -> Incident:
        return store.change("backend-1-production", lambda it: it.lacking(name))

    with ThreadPoolExecutor(4) as people:
        list(people.map(miss, names))

    assert sorted(store.get("backend-1-production").missing) == sorted(names)


def test_what_is_beside_an_incident_is_found_by_name(store: IncidentStore) -> None:
    kept(store, an_incident())
    store.attach("backend-1-production", "error_ratio.png", b"\x89PNG")
    store.attach("backend-1-production", "error_ratio.png", b"\x89PNG again")

    assert store.attached("backend-1-production") == ("error_ratio.png",)
    assert store.attachment("backend-1-production", "error_ratio.png") == b"\x89PNG again"
    with pytest.raises(NotFound):
        store.attachment("backend-1-production", "../incident.json")


def test_there_may_be_no_postmortem_yet(store: IncidentStore) -> None:
    kept(store, an_incident())

    assert store.postmortem("backend-1-production") is None


def test_incidents_are_listed_newest_first(store: IncidentStore) -> None:
    for number in (1, 3, 2):
        kept(store, an_incident(number))

    assert [incident.id for incident in store.list()] == [f"backend-{n}-production" for n in (3, 2, 1)]


def test_without_incidents_the_list_is_empty(store: IncidentStore) -> None:
    assert store.list() == ()


@pytest.mark.parametrize("name", ["nobody", "", ".", "..", "../x", "/etc", "a/b", "a\0b", "a" * 300, "\n"])
def test_an_incident_that_is_not_there_is_not_found(store: IncidentStore, name: str) -> None:
    kept(store, an_incident())

    with pytest.raises(NotFound):
        store.get(name)
    with pytest.raises(NotFound):
        store.postmortem(name)
