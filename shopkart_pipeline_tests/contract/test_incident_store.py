"""What every incident store owes its callers: one suite over the fake and over folders."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.disk_incidents import DiskIncidentStore
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.incident import ErrorSignature, Incident, IncidentStep, TimelineEntry
from shopkart_pipeline.ports.incident_store import IncidentStore
from shopkart_pipeline_tests.fakes.memory_incidents import MemoryIncidentStore

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> IncidentStore:
    return MemoryIncidentStore() if request.param == "memory" else DiskIncidentStore(tmp_path / "below")


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


def test_an_incident_comes_back_as_it_was_saved(store: IncidentStore) -> None:
    store.save(an_incident(), "# Postmortem ✓\n")

    assert store.get("backend-1-production") == an_incident()
    assert store.postmortem("backend-1-production") == "# Postmortem ✓\n"


def test_saving_again_replaces_the_incident_and_keeps_its_postmortem(store: IncidentStore) -> None:
    store.save(an_incident(), "draft")
    later = an_incident().with_entry(NOON + timedelta(hours=3), IncidentStep.RECOVERED, "fine again")

    store.save(later)

    assert store.get(later.id) == later
    assert store.postmortem(later.id) == "draft"


def test_there_may_be_no_postmortem_yet(store: IncidentStore) -> None:
    store.save(an_incident())

    assert store.postmortem("backend-1-production") is None


def test_incidents_are_listed_newest_first(store: IncidentStore) -> None:
    for number in (1, 3, 2):
        store.save(an_incident(number))

    assert [incident.id for incident in store.list()] == [f"backend-{n}-production" for n in (3, 2, 1)]


def test_without_incidents_the_list_is_empty(store: IncidentStore) -> None:
    assert store.list() == ()


@pytest.mark.parametrize("name", ["nobody", "", ".", "..", "../x", "/etc", "a/b", "a\0b", "a" * 300, "\n"])
def test_an_incident_that_is_not_there_is_not_found(store: IncidentStore, name: str) -> None:
    store.save(an_incident())

    with pytest.raises(NotFound):
        store.get(name)
    with pytest.raises(NotFound):
        store.postmortem(name)
