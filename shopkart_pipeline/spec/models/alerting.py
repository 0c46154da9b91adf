"""Where alerts go and where people look."""

from pydantic import Field

from shopkart_pipeline.spec.models.section import Section
from shopkart_pipeline.spec.text_types import ApiAddress, Text


class AlertingSpec(Section):
    """Where Prometheus' alerts go and where people look; `docs/monitoring.md` tells what is made of it. No place for
    credentials."""

    receiver: ApiAddress | None = Field(
        default=None, description="The pipeline's receiver, as Alertmanager reaches it: `.../webhooks/alertmanager`."
    )
    token_file: Text | None = Field(
        default=None, description="The bearer token for the receiver, as a file that Alertmanager reads."
    )
    grafana: ApiAddress | None = Field(
        default=None, description="Where people reach Grafana; alerts then link to their dashboard."
    )
