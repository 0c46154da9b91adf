"""Incidents as folders: `incident.json` for machines, `postmortem.md` for people."""

import re
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.domain.incident import Incident
from shopkart_pipeline.ports.incident_store import IncidentStore

_INCIDENT = TypeAdapter(Incident)
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
"""Names that are one folder, and a visible one."""


class DiskIncidentStore(IncidentStore):
    """One folder per incident below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(self, incident: Incident, postmortem: str | None = None) -> None:
        if not _ID.fullmatch(incident.id):
            raise ValueError(f"{incident.id!r} is no id for an incident")
        folder = self._root / incident.id
        if postmortem is not None:
            write_atomically(folder / "postmortem.md", postmortem.encode(errors="replace"))
        write_atomically(folder / "incident.json", _INCIDENT.dump_json(incident, indent=2))

    def get(self, incident_id: str) -> Incident:
        path = self._root / incident_id / "incident.json"
        if not _ID.fullmatch(incident_id) or not path.is_file():
            raise NotFound(f"There is no incident {incident_id!r}.", "See `shopkart incidents` for those there are.")
        try:
            return _INCIDENT.validate_json(path.read_bytes())
        except ValidationError as error:
            raise PipelineError(f"{path} can't be read.", "Restore it from a backup, or take it away.") from error

    def postmortem(self, incident_id: str) -> str | None:
        path = self._root / self.get(incident_id).id / "postmortem.md"
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def list(self) -> tuple[Incident, ...]:
        found = (self.get(path.parent.name) for path in self._root.glob("*/incident.json"))
        return tuple(sorted(found, key=lambda incident: incident.timeline[0].at, reverse=True))
