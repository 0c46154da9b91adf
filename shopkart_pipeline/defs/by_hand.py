"""What a person runs in the interface: it is written down, and what follows it is asked for."""

from dagster import AssetExecutionContext

from shopkart_pipeline.defs.keys import NO_REUSE_TAG, asset_key
from shopkart_pipeline.domain.declaration import Service, Stage
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.engine.launch import is_launched_by_key
from shopkart_pipeline.services.authenticate import check_button
from shopkart_pipeline.services.follow_up import announce_follow_up
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.rerun_stages import record_by_hand


def note_by_hand(context: AssetExecutionContext, platform: Platform, release: Release, stage: Stage) -> None:
    """Write into the ledger that somebody runs stages; the first of the run does it for all. Raises `Refused` where
    that may not be done in the interface."""
    service = platform.service(release.service)
    selected = selected_stages(context, service)
    if stage.name == selected[0] and not is_launched_by_key(context.run):
        actor = check_button(platform, Verb.RERUN)
        record_by_hand(platform, release, stage.phase, selected, actor=actor, run_id=context.run.run_id)


def ask_for_what_follows(context: AssetExecutionContext, platform: Platform, release: Release, stage: Stage) -> bool:
    """After a stage has passed: have what is downstream run too, where this run leaves it out."""
    return announce_follow_up(
        platform,
        release,
        stage,
        selected_stages(context, platform.service(release.service)),
        context.run.run_id,
        no_reuse=context.run.tags.get(NO_REUSE_TAG) == "true",
    )


def selected_stages(context: AssetExecutionContext, service: Service) -> tuple[str, ...]:
    """The stages of a service that are in the run, in order."""
    selected = context.job_def.asset_layer.selected_asset_keys
    return tuple(stage.name for stage in service.stages if asset_key(service.name, stage.name) in selected)
