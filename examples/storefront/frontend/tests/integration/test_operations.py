"""What the platform relies on: health, metrics and headers of the deployed pages."""


def test_the_pages_are_started_ready_and_alive(deployed):
    for question in ("startup", "ready", "live"):
        assert deployed.get(f"/health/{question}").status_code == 200


def test_the_metrics_count_pages_by_route_and_say_what_runs(deployed):
    version = deployed.get("/").headers["x-shopkart-version"]

    exposition = deployed.get("/metrics").text

    assert 'storefront_http_requests_total{method="GET",route="/",status_class="2xx"} ' in exposition
    assert f'version="{version}"' in exposition
    assert "process_resident_memory_bytes" in exposition


def test_pages_come_with_their_headers_and_the_backends_products(deployed):
    answer = deployed.get("/", headers={"x-request-id": "integration-1"})

    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == "integration-1"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "/products/" in answer.text


def test_what_is_not_there_is_a_page_with_404(deployed):
    assert deployed.get("/products/no-such-product").status_code == 404
