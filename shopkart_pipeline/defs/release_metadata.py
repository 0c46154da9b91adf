"""Who, what and when of a stage's asset: whoever walks from production back to the source needs no other page.

People are those of the commit, the push and the ledger; everything is in words and tables, and bounded. What runs
where is told by the assets of deployments alone.
"""

from collections.abc import Sequence

from dagster import MetadataValue, TableColumn, TableRecord, TableSchema

from shopkart_pipeline.defs.running import running_metadata
from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.domain.declaration import Phase, StageKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import GateResult
from shopkart_pipeline.ports.ledger import Entry
from shopkart_pipeline.services.incident_links import change_url, commit_url
from shopkart_pipeline.services.observe_running import observe_running
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.run_stage import StageOutcome

MOST_ROWS = 50
_PEOPLE = TableSchema(columns=[TableColumn(name) for name in ("part", "who", "where it is written")])
_GATES = TableSchema(columns=[TableColumn(name) for name in ("gate", "outcome", "value", "limit", "reason", "waived")])
_LEDGER = TableSchema(columns=[TableColumn(name) for name in ("entry", "at", "who", "act", "image", "hash")])
_DEPLOYS = (StageKind.STAGING, StageKind.PRODUCTION)


def release_metadata(platform: Platform, release: Release, outcome: StageOutcome) -> dict[str, MetadataValue]:
    """What the asset of a stage tells of its release, beside its own result. The stage is done when this is told: a
    ledger that does not answer then is said, and undoes nothing."""
    try:
        return _told(platform, release, outcome)
    except PipelineError as error:
        return {"not told": MetadataValue.text(f"{error.what} {error.fix}")}


def _told(platform: Platform, release: Release, outcome: StageOutcome) -> dict[str, MetadataValue]:
    record, service = outcome.record, platform.service(release.service)
    stage = service.stage(record.stage)
    entries = platform.ledger.entries(release.service, release.key) if stage.phase is not Phase.CI else ()
    shown: dict[str, MetadataValue] = {
        "run": MetadataValue.dagster_run(record.run_id),
        "who": MetadataValue.table(_people(release, entries), schema=_PEOPLE),
        "received_at": MetadataValue.text(release.received_at.isoformat(timespec="seconds")),
        "started_at": MetadataValue.text(record.started_at.isoformat(timespec="seconds")),
        "finished_at": MetadataValue.text(record.finished_at.isoformat(timespec="seconds")),
        **_links(platform.pipeline.code_host, release),
    }
    if outcome.gates:
        shown["gates"] = MetadataValue.table(_gates(outcome.gates), schema=_GATES)
    if entries:
        shown["ledger"] = MetadataValue.table(_ledger(entries), schema=_LEDGER)
    if stage.kind in _DEPLOYS:
        shown |= running_metadata(observe_running(platform, service))
    return shown


def _links(policy: CodeHostPolicy | None, release: Release) -> dict[str, MetadataValue]:
    found = {"link: commit": commit_url(policy, release), "link: change": change_url(policy, release)}
    return {name: MetadataValue.url(address) for name, address in found.items() if address}


def _people(release: Release, entries: Sequence[Entry]) -> list[TableRecord]:
    author = f"{release.author.name} <{release.author.email}>"
    rows = [("author", author, f"commit {release.sha}")]
    rows += [("author or committer", each, f"commit {release.sha}") for each in release.people]
    rows += [("pushed or merged", release.actor, f"delivery {release.delivery_id}")] if release.actor else []
    rows += [(entry.act.verb, entry.act.actor, f"ledger entry {entry.sequence}") for entry in entries]
    return [
        TableRecord({"part": part, "who": who[:200], "where it is written": where})
        for part, who, where in rows[:MOST_ROWS]
    ]


def _gates(gates: Sequence[GateResult]) -> list[TableRecord]:
    return [
        TableRecord(
            {
                "gate": f"{gate.stage}.{gate.gate}",
                "outcome": gate.outcome.value,
                "value": "" if gate.value is None else f"{gate.value:g}",
                "limit": "" if gate.limit is None else f"{gate.limit:g}",
                "reason": gate.reason[:300],
                "waived": "; ".join(gate.waived)[:300],
            }
        )
        for gate in gates[:MOST_ROWS]
    ]


def _ledger(entries: Sequence[Entry]) -> list[TableRecord]:
    return [
        TableRecord(
            {
                "entry": entry.sequence,
                "at": entry.act.at.isoformat(timespec="seconds"),
                "who": entry.act.actor[:200],
                "act": entry.act.verb,
                "image": entry.act.digest,
                "hash": entry.entry_hash,
            }
        )
        for entry in entries[-MOST_ROWS:]
    ]
