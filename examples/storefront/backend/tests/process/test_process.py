"""The backend as a platform sees it: processes with an environment, a port, signals and a log."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from real_servers import process_environment, running_service


@pytest.fixture
def environment(stores) -> dict[str, str]:
    return {
        "REDIS_URL": stores.redis_url,
        "DATABASE_URL": stores.database_url,
        "SHOPKART_VERSION": "2.3.4",
        "SHOPKART_TRACK": "canary",
    }


def test_a_replica_that_is_stopped_under_load_loses_no_request(environment, cart_id):
    with running_service(environment) as service, ThreadPoolExecutor() as pool, httpx.Client() as client:
        under_load, withdrawn = threading.Event(), threading.Event()

        def ask() -> list[int]:
            """Asks over connections that are kept open, until the load balancer would have moved on."""
            answers: list[int] = []
            while not withdrawn.is_set():
                answers.append(client.get(f"{service.url}/carts/{cart_id}").status_code)
                if len(answers) == 5:
                    under_load.set()
            return answers

        clients = [pool.submit(ask) for _ in range(2)]
        under_load.wait()
        service.process.terminate()
        time.sleep(0.3)
        withdrawn.set()

        assert {status for one in clients for status in one.result()} == {200}
        assert service.process.wait(timeout=20) == 0


def test_the_log_is_json_with_who_wrote_it_and_without_credentials(environment):
    url = environment["DATABASE_URL"].replace("postgres:@", "postgres:s3cret@")
    with running_service({**environment, "DATABASE_URL": url}) as service:
        httpx.get(f"{service.url}/catalogue?card=4111111111111111", headers={"x-request-id": "abc"})
        lines = service.log_lines(until="request answered")

    (answered,) = [line for line in lines if line["message"] == "request answered"]
    assert (answered["route"], answered["request_id"], answered["status"]) == ("/catalogue", "abc", 200)
    assert {(one["service"], one["version"], one["track"]) for one in lines} == {
        ("backend", "2.3.4", "canary")
    }
    assert "s3cret" not in str(lines)
    assert "4111111111111111" not in str(lines)


def test_an_environment_without_stores_ends_with_2_and_says_what_is_missing():
    ended = subprocess.run(
        [sys.executable, "-m", "storefront_backend"],
        env=process_environment(),
        capture_output=True,
        text=True,
    )

    assert ended.returncode == 2
    assert ended.stderr == "REDIS_URL must be set\nDATABASE_URL must be set\n"
