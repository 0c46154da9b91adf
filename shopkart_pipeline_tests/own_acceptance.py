"""The pipeline's receiver as it stands in staging: stage `acceptance_tests` of `deploy/own/shopkart.yaml` runs this.

Its name keeps it out of `shopkart test`, which has no staging to ask.
"""

import os

import httpx
import pytest


@pytest.fixture(scope="module")
def address() -> str:
    return os.environ["SHOPKART_URL"].rstrip("/")


def test_it_lives(address: str) -> None:
    assert httpx.get(f"{address}/health/live", timeout=10).status_code == 200


def test_an_unsigned_webhook_is_refused(address: str) -> None:
    answer = httpx.post(f"{address}/webhooks/github", json={}, headers={"X-GitHub-Event": "push"}, timeout=10)

    assert 400 <= answer.status_code < 500
