"""Where the counts and logs of an environment come from."""

from typing import Annotated

from pydantic import Field

from shopkart_pipeline.spec.durations import PositiveDuration
from shopkart_pipeline.spec.models.section import Section
from shopkart_pipeline.spec.text_types import ApiAddress, LabelName, MetricName, TenantName, Text


class LokiSpec(Section):
    """Where the logs of an environment on Kubernetes are. The names of labels are those of the generated collector; the
    credentials are settings (`docs/kubernetes_metrics.md`)."""

    address: ApiAddress = Field(
        description="A Loki server, or what speaks its HTTP API; without encryption on this machine or as a cluster's "
        "own Service (`NAME.NAMESPACE.svc`) alone."
    )
    tenant: TenantName | None = Field(default=None, description="Sent as `X-Scope-OrgID`.")
    labels: dict[LabelName, Text] | None = Field(
        default=None, description="Further labels that streams of this environment have, such as `cluster`."
    )
    environment_label: LabelName | None = Field(default=None, description="The label with the environment.")
    service_label: LabelName | None = Field(default=None, description="The label with the service.")
    track_label: LabelName | None = Field(default=None, description="The label with `stable` or `canary`.")
    version_label: LabelName | None = Field(
        default=None, description="The label with the release, for lines that don't say theirs."
    )
    pod_label: LabelName | None = Field(default=None, description="The label with the pod.")


class TelemetrySpec(Section):
    """Who counts the requests of an environment on Kubernetes; `docs/kubernetes_metrics.md` tells how series have to
    be labelled. No place for credentials."""

    prometheus: ApiAddress = Field(
        description="A Prometheus server, or what speaks its HTTP API; without encryption on this machine or as a "
        "cluster's own Service (`NAME.NAMESPACE.svc`) alone. Has to be said."
    )
    loki: LokiSpec | None = Field(
        default=None, description="Where logs are; without it they are read from the pods that are there."
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
