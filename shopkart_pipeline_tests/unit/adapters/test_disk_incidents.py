"""Incidents as folders: what a person finds there, and what is refused."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.disk_incidents import DiskIncidentStore
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.ports.incident_store import POSTMORTEM
from shopkart_pipeline_tests.contract.test_incident_store import an_incident, kept


def test_an_incident_is_a_folder_that_people_can_read(tmp_path: Path) -> None:
    store = DiskIncidentStore(tmp_path)
    kept(store, an_incident())
    store.attach("backend-1-production", POSTMORTEM, b"# Postmortem\n")

    folder = tmp_path / "backend-1-production"
    assert {path.name for path in folder.iterdir()} == {"incident.json", "postmortem.md"}
    assert json.loads((folder / "incident.json").read_text())["reason"] == "errors ✓"


def test_an_incident_that_can_not_be_read_is_an_error_that_names_the_file_and_hides_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = DiskIncidentStore(tmp_path)
    kept(store, an_incident())
    kept(store, an_incident(2))
    (tmp_path / "backend-1-production" / "incident.json").write_text('{"id": 1}')

    with pytest.raises(PipelineError, match=r"incident\.json can't be read"):
        store.get("backend-1-production")

    assert store.list() == (an_incident(2),)
    assert "incident.json can't be read" in caplog.text


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc/x", ".hidden", "a\0b"])
def test_an_id_that_is_no_name_of_a_folder_is_a_fault_of_our_own(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        kept(DiskIncidentStore(tmp_path / "store"), replace(an_incident(), id=name))

    assert [path.name for path in tmp_path.rglob("*")] == ["store", ".lock"]


def test_an_incident_of_an_earlier_version_is_still_read(tmp_path: Path) -> None:
    store = DiskIncidentStore(tmp_path)
    kept(store, an_incident())
    path = tmp_path / "backend-1-production" / "incident.json"
    written = json.loads(path.read_text())
    for name in ("source", "severity", "groups", "alerts", "suspects"):
        del written[name]
    del written["signatures"][0]["before"]
    path.write_text(json.dumps(written))

    [incident] = store.list()

    assert incident == an_incident()
    assert (incident.opened_at, incident.acknowledged_at, incident.is_open) == (incident.timeline[0].at, None, True)


def test_a_full_disk_leaves_what_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DiskIncidentStore(tmp_path)
    kept(store, an_incident())

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ToolUnavailable, match="No space left on device"):
        store.change("backend-1-production", lambda it: it.lacking("more"))

    assert store.get("backend-1-production") == an_incident()


def test_a_postmortem_without_its_incident_is_none(tmp_path: Path) -> None:
    (tmp_path / "backend-1-production").mkdir()
    (tmp_path / "backend-1-production" / "postmortem.md").write_text("draft")

    assert DiskIncidentStore(tmp_path).list() == ()


def test_an_incident_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    """Sensors ask for all of them every few seconds, and there may be thousands."""
    store = DiskIncidentStore(tmp_path)
    kept(store, an_incident())
    path = tmp_path / "backend-1-production" / "incident.json"
    os.utime(path, (1, 1))
    known = store.list()
    with path.open("r+b") as document:
        document.write(b"?")
    os.utime(path, (1, 1))

    assert store.list() == known == (an_incident(),)


def test_what_another_process_changed_is_read_again(tmp_path: Path) -> None:
    store, other = DiskIncidentStore(tmp_path), DiskIncidentStore(tmp_path)
    for number in (1, 2):
        kept(store, an_incident(number))
        os.utime(tmp_path / f"backend-{number}-production" / "incident.json", (1, 1))
    assert len(store.list()) == 2

    changed = other.change("backend-1-production", lambda it: it.lacking("more"))
    shutil.rmtree(tmp_path / "backend-2-production")

    assert store.list() == (changed,)


def test_a_file_that_the_disk_does_not_give_hides_no_other(tmp_path: Path) -> None:
    store = DiskIncidentStore(tmp_path)
    kept(store, an_incident())
    kept(store, an_incident(2))
    path = tmp_path / "backend-1-production" / "incident.json"
    path.unlink()
    path.symlink_to("/proc/self/mem")  # Reading it is an error of input and output.

    assert store.list() == (an_incident(2),)
