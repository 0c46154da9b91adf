"""The button that brings production back: a job of one op per service.

Who pressed it is not known, as the web interface has no login; the ledger says that. Whoever is named there was proved
to ask: by a delivery of the code host that the pipeline accepted. What a run's configuration says is nobody's word, as
anybody who reaches the interface may write it.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from functools import cache

from dagster import Config, Failure, GraphDefinition, JobDefinition, OpDefinition, OpExecutionContext, ResourceParam, op

from shopkart_pipeline.defs.keys import op_prefix, rollback_job_name
from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.domain.release_unit import NOT_RECORDED
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.engine.asset_shapes import named
from shopkart_pipeline.engine.places import GROUP_TAG, NO_LIMIT
from shopkart_pipeline.engine.run_ids import run_id_of
from shopkart_pipeline.services.authenticate import asked_in, check_button
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.requests import rollback_key
from shopkart_pipeline.services.roll_back import roll_back, roll_back_abandoned


class RollbackConfig(Config):
    """Why; it goes into the ledger."""

    reason: str = "pressed in the web interface"
    asked_in: str = ""
    """The delivery in which somebody asked for it, as the ledger has it."""
    abandoned_release: str = ""
    """Turn back only the rollout of this release, and only if nobody drives it any more."""
    only_release: str = ""
    """Roll back only if this is the release that is then in production, or on its way there."""


def build_rollback_job(service: Service) -> JobDefinition:
    """Needs no partition: it always goes to the release before the current one."""
    operation = named(_operation(), f"{op_prefix(service.name)}_roll_back")
    return GraphDefinition(rollback_job_name(service.name), node_defs=[operation]).to_job(
        description=f"Roll {service.name} back in production.",
        tags={GROUP_TAG: NO_LIMIT},
    )


def _asked(platform: Platform, service: str, config: RollbackConfig, run_id: str) -> tuple[str, str | None]:
    """Who asks, and which release is to be taken back; None: whatever is there."""
    if not config.asked_in:
        return check_button(platform, Verb.ROLL_BACK), config.only_release or None
    found = asked_in(platform, Verb.ROLL_BACK, service, config.asked_in)
    if found is None or run_id_of(rollback_key(config.asked_in, service)) != run_id:
        raise Refused("Nobody asked for this rollback, or it is another run that does it.", "Ask for it once more.")
    return found


@cache
def _operation() -> OpDefinition:
    """Of any service: the job's name says which."""

    @op(
        name="roll_back",
        description="Brings production back to the release before: no rebuild, no rescan, no new approval.",
    )
    def roll_back_op(context: OpExecutionContext, config: RollbackConfig, platform: ResourceParam[Platform]) -> None:
        run_id = context.run.run_id
        [service_name] = [each for each in platform.pipeline.services if rollback_job_name(each) == context.job_name]
        try:
            if config.abandoned_release:
                turned = roll_back_abandoned(platform, service_name, config.abandoned_release, run_id)
                context.log.info("turned back" if turned else "it has ended, or somebody drives it: nothing was done")
                return
            actor, only = _asked(platform, service_name, config, run_id)
            placed = roll_back(platform, service_name, actor, config.reason, run_id, only=only)
        except PipelineError as error:
            raise Failure(error.what, metadata={"fix": error.fix}, allow_retries=False) from None
        context.add_output_metadata(
            {
                "release": placed.release_key,
                "image": placed.digest,
                "configuration": placed.configuration or NOT_RECORDED,
            }
        )

    return roll_back_op
