"""Is an incident's postmortem completed, and are its action items closed? Read from the repository, where people write.

The page is `docs/postmortems/ID.md` on the branch that the service is released from. A page that is not there yet is
open; a repository that does not answer makes nobody believe that all is done.
"""

from dataclasses import dataclass

from shopkart_pipeline.domain.action_item import what_is_open
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.incident import Incident, IncidentStep
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.write_postmortem import FOLDER

_LONGEST_BYTES = 1_000_000


@dataclass(frozen=True)
class PostmortemState:
    """What is open of a postmortem; empty: nothing is."""

    path: str
    commit: str
    """At which it was read; empty: it could not be."""
    open_lines: tuple[str, ...]

    @property
    def is_done(self) -> bool:
        return not self.open_lines


def check_postmortem(platform: Platform, incident: Incident) -> PostmortemState:
    """How an incident's postmortem stands; one that is done is noted in the incident."""
    path = f"{FOLDER}/{incident.id}.md"
    declared = platform.pipeline.services.get(incident.service)
    if declared is None:
        return PostmortemState(path, "", (f"{incident.service} is no declared service: it has no repository",))
    source, commit = declared.source, ""
    try:
        commit = platform.scm.head(source)
        platform.scm.fetch(source, commit)
        page = platform.scm.read_file(source, commit, path)
    except PipelineError as error:
        return PostmortemState(path, commit, (f"{source.repository} could not be read: {error.what}",))
    if page is None:
        return PostmortemState(path, commit, (f"{path} is not on {source.branch} of {source.repository} yet",))
    if len(page) > _LONGEST_BYTES:
        return PostmortemState(path, commit, (f"{path} is longer than {_LONGEST_BYTES} bytes",))
    state = PostmortemState(path, commit, what_is_open(page.decode(errors="replace")))
    if state.is_done:
        now = platform.clock.now()
        text = f"the postmortem is complete and its action items are closed (commit {commit})"
        platform.incidents.change(
            incident.id,
            lambda it: (
                it
                if it.time_of(IncidentStep.POSTMORTEM_COMPLETED)
                else it.with_entry(now, IncidentStep.POSTMORTEM_COMPLETED, text)
            ),
        )
    return state
