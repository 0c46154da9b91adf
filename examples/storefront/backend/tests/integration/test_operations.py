"""What the platform relies on: health and metrics of the deployed shop."""


def test_the_shop_is_started_ready_and_alive(deployed):
    for question in ("startup", "ready", "live"):
        assert deployed.get(f"/health/{question}").status_code == 200

    assert deployed.get("/health/ready").json()["checks"] == {"redis": "ok", "postgresql": "ok"}


def test_the_metrics_count_requests_by_route_and_say_what_runs(deployed):
    version = deployed.get("/catalogue").headers["x-shopkart-version"]

    answer = deployed.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    assert (
        'storefront_http_requests_total{method="GET",route="/catalogue",status_class="2xx"} ' in answer.text
    )
    assert f'version="{version}"' in answer.text
    for name in (
        "storefront_http_request_duration_seconds_bucket",
        "storefront_db_pool_connections_in_use",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_start_time_seconds",
    ):
        assert name in answer.text
