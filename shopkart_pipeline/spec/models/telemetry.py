"""Where the counts of an environment come from."""

from typing import Annotated

from pydantic import Field

from shopkart_pipeline.spec.durations import PositiveDuration
from shopkart_pipeline.spec.models.section import Section
from shopkart_pipeline.spec.text_types import ApiAddress, LabelName, MetricName, Text


class TelemetrySpec(Section):
    """Who counts the requests of an environment on Kubernetes; `docs/kubernetes_metrics.md` tells how series have to
    be labelled. No place for credentials."""

    prometheus: ApiAddress = Field(
        description="A Prometheus server, or what speaks its HTTP API; without encryption on this machine or as a "
        "cluster's own Service (`NAME.NAMESPACE.svc`) alone. Has to be said."
    )
    labels: dict[LabelName, Text] | None = Field(
        default=None, description="Further labels that series of this environment have, such as `cluster` or `job`."
    )
    requests: MetricName | None = Field(default=None, description="Counter of answered requests.")
    status_label: LabelName | None = Field(
        default=None, description="Its label with the status (`503`) or the class of it (`5xx`)."
    )
    method_label: LabelName | None = Field(default=None, description="Its label with the method; only events need it.")
    latency_buckets: MetricName | None = Field(
        default=None, description="Buckets of a histogram of the latency in seconds."
    )
    maximum_age: Annotated[PositiveDuration, Field(ge=5, le=600)] | None = Field(
        default=None,
        description="Counts that are older say nothing; more than twice as long as from one scrape to the next. "
        "Default: `60s`.",
    )
