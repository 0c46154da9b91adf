"""Bring a backup back to where its database is declared to be, which has to be empty.

What was under way at the moment of the backup is not taken up: whoever worked on it is gone. Dagster's runs that were
at work then are failed by the engine's next start, or by run monitoring, and a rollout goes on from its state beside
the workload.
"""

from shopkart_pipeline.domain.backup import Manifest
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.back_up import backups_of, declared_database
from shopkart_pipeline.services.extract_backup import find_backup
from shopkart_pipeline.services.platform import Platform

RESTORED = "restored"
"""Verb of the ledger's entry."""


def restore_in_place(platform: Platform, name: str, actor: str) -> Manifest:
    """Bring it back, record that in the ledger, and return its manifest.

    Args:
        platform: the ports.
        name: `DATABASE/ID`, or `DATABASE` for its newest.
        actor: who asked.

    Raises:
        NotFound: there is no such backup, or the database is not declared.
        Refused: something is there already.
        ToolUnavailable: the backup is damaged, or what is restored to does not answer.
    """
    database, backups = declared_database(platform, name.partition("/")[0]), backups_of(platform)
    manifest = find_backup(platform, name)
    backups.database(database).bring_back(backups.store.read(manifest), manifest.contents.version)
    told = {"backup": manifest.name, "taken_at": manifest.taken_at.isoformat()}
    platform.ledger.append(Act(platform.clock.now(), str(actor), RESTORED, "", "", "", told))
    return manifest
