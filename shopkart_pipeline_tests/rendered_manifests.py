"""Workloads for tests of manifests: the plainest one, and one that asks for everything."""

from dataclasses import replace

from shopkart_pipeline.adapters.kubernetes.names import Place
from shopkart_pipeline.domain.pod import (
    Autoscale,
    PodRequirements,
    Resources,
    Route,
    RouteKind,
    SecretReference,
)
from shopkart_pipeline.domain.workload import Probes, WorkloadSpec

DIGEST = f"sha256:{'a' * 64}"
PLACE = Place("shop", "production", "backend", f"registry.example/shop/backend@{DIGEST}")
PLAIN = WorkloadSpec(
    digest=DIGEST,
    release_key="20260101-101010-aaaaaaaaaaaa",
    commit="1" * 40,
    replicas=3,
    command=("python", "-m", "storefront_backend"),
    variables={"REDIS_URL": "{redis_url}", "FRONTEND_URL": "{url:frontend}/", "DEBUG": "no"},
    probes=Probes("/health/startup", "/health/ready", "/health/live", 60.0),
    metrics_path="/metrics",
    drain_seconds=10.0,
)
GATEWAY = replace(PLAIN, route=Route(RouteKind.GATEWAY, "edge/shop", "shop.example"))
EVERYTHING = replace(
    PLAIN,
    pod=PodRequirements(
        port=9000,
        resources=Resources("250m", "256Mi", "512Mi"),
        secrets={
            "PAYMENT_PASSWORD": SecretReference("payment-1f2e", "password"),
            "API_TOKEN": SecretReference("", "shop/token", "vault", "7"),
        },
        pre_stop_seconds=15.0,
        minimum_ready_seconds=20.0,
        iam_role="arn:aws:iam::123456789012:role/backend",
        egress=("10.0.0.0/16:5432", "payments.example"),
    ),
    autoscale=Autoscale(3, 12, 60),
    route=Route(RouteKind.ALB, host="shop.example"),
)
WORKLOADS = {"plain": PLAIN, "gateway": GATEWAY, "everything": EVERYTHING}
