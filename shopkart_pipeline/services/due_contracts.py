"""Contracting migrations whose time has come.

Asked for once a day each until the attempt leaves a result: a run that was lost is followed by another one the next
day. One that failed is left to people, because what it did to the database has to be looked at first. A run that was
killed between its rollout and the first attempt left nothing to go by but that the release expanded the database, which
says that it knows of the migration; one from before the migration was declared is never asked to contract.
"""

import logging
from collections.abc import Iterator

from shopkart_pipeline.domain.declaration import Phase, Service, StageKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline.services.contract_database import awaited
from shopkart_pipeline.services.contracted import is_contracted
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import current
from shopkart_pipeline.services.requests import RunRequest

log = logging.getLogger(__name__)


def due_contracts(platform: Platform) -> tuple[RunRequest, ...]:
    """Runs to ask for now; one service's trouble hides no other's."""
    return tuple(_due(platform))


def _due(platform: Platform) -> Iterator[RunRequest]:
    for service in platform.pipeline.services.values():
        try:
            request = _of(platform, service)
        except PipelineError as error:
            log.warning("whether %s is to be contracted can't be told: %s", service.name, error)
            continue
        if request is not None:
            yield request


def _of(platform: Platform, service: Service) -> RunRequest | None:
    stage = service.stage_of(StageKind.CONTRACT)
    if stage is None:
        return None
    deployment = platform.deployment_of(service, Phase.PRODUCTION)
    placed = current(platform, service.name, deployment.environment)
    if placed is None:
        return None
    records = platform.evidence.latest(service.name, placed.release_key)
    expand = service.stage_of(StageKind.PRODUCTION_EXPAND)
    record = records.get(stage.name) or (records.get(expand.name) if expand is not None else None)
    if record is None or not isinstance(record.result, Evidence):
        return None
    if is_contracted(platform, service.name, deployment.environment, placed.release_key, placed.digest):
        return None
    release = platform.evidence.release(service.name, placed.release_key)
    if awaited(platform, release, placed.digest) is not None:
        return None
    today = platform.clock.now().date().isoformat()
    return RunRequest(
        key=f"{release.name}:{stage.name}:after:{record.run_id}:{today}",
        service=service.name,
        release_key=release.key,
        phase=Phase.PRODUCTION,
        reason=f"{release.name} has stood in {deployment.environment} for long enough",
        stages=(stage.name,),
    )
