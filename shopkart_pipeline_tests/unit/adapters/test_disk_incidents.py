"""Incidents as folders: what a person finds there, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.disk_incidents import DiskIncidentStore
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline_tests.contract.test_incident_store import an_incident


def test_an_incident_is_a_folder_that_people_can_read(tmp_path: Path) -> None:
    DiskIncidentStore(tmp_path).save(an_incident(), "# Postmortem\n")

    folder = tmp_path / "backend-1-production"
    assert {path.name for path in folder.iterdir()} == {"incident.json", "postmortem.md"}
    assert json.loads((folder / "incident.json").read_text())["reason"] == "errors ✓"


def test_an_incident_that_can_not_be_read_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    store = DiskIncidentStore(tmp_path)
    store.save(an_incident())
    (tmp_path / "backend-1-production" / "incident.json").write_text('{"id": 1}')

    with pytest.raises(PipelineError, match=r"incident\.json can't be read"):
        store.list()


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc/x", ".hidden", "a\0b"])
def test_an_id_that_is_no_name_of_a_folder_is_a_fault_of_our_own(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        DiskIncidentStore(tmp_path / "store").save(replace(an_incident(), id=name))

    assert list(tmp_path.iterdir()) == []


def test_a_postmortem_without_its_incident_is_none(tmp_path: Path) -> None:
    """The incident is written last: a crash between the two leaves nothing that is half told."""
    (tmp_path / "backend-1-production").mkdir()
    (tmp_path / "backend-1-production" / "postmortem.md").write_text("draft")

    assert DiskIncidentStore(tmp_path).list() == ()
