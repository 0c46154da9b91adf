"""Everything that a release needs is killed while it is on its way, and it still ends right."""

import time
from collections.abc import Iterator

import pytest

from shopkart_pipeline_tests.contract.postgres import running_postgres
from shopkart_pipeline_tests.orchestration.killed_home import SERVICE, KilledHome, killed_home, wait_for

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KilledHome]:
    with (
        running_postgres(tmp_path_factory.mktemp("postgres")) as postgres,
        killed_home(tmp_path_factory.mktemp("kills") / "home", postgres) as killed,
    ):
        yield killed


VICTIMS = ("nobody", "receiver", "daemon", "web", "code servers", "engine", "connections", "database")


def kill(home: KilledHome, victim: str) -> None:
    match victim:
        case "nobody":
            pass
        case "code servers":
            wait_for("a code server", home.kill_code_servers)
        case "connections":
            for _ in range(10):
                home.kill_connections()
                time.sleep(0.1)
        case "database":
            home.postgres.stop()
            time.sleep(10)
            home.postgres.start()
        case _:
            home.kill(victim)


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_release_ends_right_whoever_is_killed(home: KilledHome, victim: str) -> None:
    began = time.monotonic()
    for stage in ("lint", "integration_tests"):
        home.hold(stage)
    pushed = home.push()
    attempts = home.post(pushed)
    home.wait_until_reached("lint")
    kill(home, victim)
    home.let_go("lint")
    home.wait_until_reached("integration_tests")
    kill(home, victim)
    home.let_go("integration_tests")
    release = home.release_of(pushed)
    wait_for("the end of staging", lambda: "integration_tests" in home.records(release))
    before, sign = len(home.effects()), "production" if victim == "nobody" else f"set_weight production/{SERVICE} 10"
    wait_for("approval", lambda: home.approve(release) is None)
    wait_for("the rollout", lambda: any(sign in each for each in home.effects()[before:]))
    kill(home, victim)
    wait_for("production", lambda: "production" in home.records(release))
    home.assert_it_ended_right(release)
    wait_for("the web interface", home.answer_of_web)
    print(f"{victim}: {time.monotonic() - began:.1f} s, posted {attempts} times, {home.told} {SERVICE}")
