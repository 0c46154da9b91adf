"""The warm server executes runs, ends them, and survives what happens to it."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.engine.run_records import Ended
from shopkart_pipeline_tests.orchestration.engine.homes import Home, is_alive, wait_for

CALL = f"{__package__}.sample_definitions:count_calls"


def test_a_run_of_eleven_gated_stages_succeeds(warm_home: Home) -> None:
    run_id = warm_home.launch("sample_ci", "eleven", "r0")

    assert warm_home.ended(run_id).is_success
    wait_for(lambda: isinstance(warm_home.record(run_id), Ended))
    checks = warm_home.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    assert len(checks) == 11


def test_a_worker_shares_nothing_with_the_server(warm_home: Home) -> None:
    run_id = warm_home.launch("short_job", "shares nothing")

    worker = warm_home.began(run_id)

    server = warm_home.server_pid()
    assert os.getsid(worker) == worker != os.getsid(server)
    assert not open_sockets(worker) & open_sockets(server)
    assert warm_home.ended(run_id).is_success


def test_terminating_kills_what_a_tool_has_started_and_ends_cancelled(warm_home: Home) -> None:
    run_id = warm_home.launch("endless_tool_job", "endless tool")
    pids_file = warm_home.scratch / f"{run_id}.pids"
    pids = wait_for(lambda: pids_file.exists() and [int(pid) for pid in pids_file.read_text().split()])

    assert warm_home.launcher.terminate(run_id)

    assert warm_home.ended(run_id).status == dg.DagsterRunStatus.CANCELED
    wait_for(lambda: not any(is_alive(pid) for pid in pids))


def test_terminating_interrupts_python_code_and_runs_its_finally(warm_home: Home) -> None:
    run_id = warm_home.launch("endless_python_job", "endless python")
    warm_home.began(run_id)

    assert warm_home.launcher.terminate(run_id)

    assert warm_home.ended(run_id).status == dg.DagsterRunStatus.CANCELED
    assert (warm_home.scratch / f"{run_id}.finally").read_text() == "ran"


def test_a_step_that_hears_nothing_is_left_behind_after_the_grace(warm_home: Home) -> None:
    run_id = warm_home.launch("deaf_job", "deaf")
    worker = warm_home.began(run_id)

    assert warm_home.launcher.terminate(run_id)

    assert warm_home.ended(run_id).status == dg.DagsterRunStatus.CANCELED
    [failure] = warm_home.instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    assert "did not stop within 1 seconds" in str(failure.dagster_event)
    wait_for(lambda: not is_alive(worker))


def test_a_finished_run_can_not_be_terminated(warm_home: Home) -> None:
    run_id = warm_home.launch("sample_ci", "finished", "r1")
    warm_home.ended(run_id)

    assert not warm_home.launcher.terminate(run_id)


def test_a_worker_that_is_killed_leaves_a_failed_run_that_says_so(warm_home: Home) -> None:
    run_id = warm_home.launch("dies_job", "dies")

    assert warm_home.ended(run_id).status == dg.DagsterRunStatus.FAILURE
    assert any("killed by SIGKILL" in entry.message for entry in warm_home.instance.all_logs(run_id))
    health = warm_home.launcher.check_run_worker_health(warm_home.run(run_id))
    assert health.status.value == "FAILED"


def test_health_tells_a_worker_that_runs_from_one_that_never_was(warm_home: Home) -> None:
    run_id = warm_home.launch("short_job", "health")
    warm_home.began(run_id)
    run = warm_home.run(run_id)

    running = warm_home.launcher.check_run_worker_health(run)
    unknown = warm_home.launcher.check_run_worker_health(run._replace(run_id="00000000-0000-0000-0000-000000000000"))
    warm_home.ended(run_id)
    wait_for(lambda: isinstance(warm_home.record(run_id), Ended))
    succeeded = warm_home.launcher.check_run_worker_health(run)

    assert [health.status.value for health in (running, unknown, succeeded)] == ["RUNNING", "NOT_FOUND", "SUCCESS"]


def test_an_unknown_job_is_refused_with_the_jobs_that_exist(warm_home: Home) -> None:
    with pytest.raises(PipelineError, match="has no job missing") as refusal:
        warm_home.client.launch("00000000-0000-4000-8000-000000000001", "missing")

    assert "sample_ci" in refusal.value.fix


def test_calls_that_come_while_one_runs_become_one_more(warm_home: Home) -> None:
    for _ in range(6):
        warm_home.client.call(CALL)

    calls = warm_home.scratch / "calls"
    wait_for(lambda: calls.exists() and len(calls.read_text().split()) == 2)
    wait_for(lambda: not warm_home.client.status()["calls"])
    assert len(calls.read_text().split()) == 2


def test_a_call_outside_of_the_package_is_refused(warm_home: Home) -> None:
    with pytest.raises(PipelineError, match="may not be called"):
        warm_home.client.call("os:abort")


@pytest.mark.parametrize(
    "rubbish",
    [b"\n", b"no json\n", b'{"verb": "launch"}\n', b'{"verb": "launch", "run_id": "../x", "job_name": "y"}\n', b"[]\n"],
)
def test_rubbish_is_refused(warm_home: Home, rubbish: bytes) -> None:
    with connected(warm_home) as connection:
        connection.sendall(rubbish)
        assert b'"ok": false' in connection.recv(4096)

    assert warm_home.client.status()["state"] == "ready"


def test_clients_that_are_silent_endless_or_gone_disturb_nobody(warm_home: Home) -> None:
    with connected(warm_home), connected(warm_home) as endless:
        connected(warm_home).close()
        with pytest.raises(OSError):  # noqa: PT012 # It depends on the buffers which of the sends is refused.
            for _ in range(100):
                endless.sendall(b"x" * 65536)

        began = time.monotonic()
        assert warm_home.client.status()["state"] == "ready"
        assert time.monotonic() - began < 2


def test_the_socket_is_for_this_user_alone(warm_home: Home) -> None:
    assert warm_home.paths.socket.stat().st_mode & 0o777 == 0o600
    assert warm_home.paths.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.thorough
def test_many_starters_make_one_server_and_a_killed_one_loses_no_run(cold_home: Home) -> None:
    with ThreadPoolExecutor(4) as starters:
        list(starters.map(lambda _: cold_home.launcher.start_server(), range(4)))
    first_server = cold_home.server_pid()
    finishing, dying, terminating = (
        cold_home.launch(job, job) for job in ("short_job", "waiting_job", "endless_python_job")
    )
    cold_home.began(finishing)
    doomed_worker, endless_worker = cold_home.began(dying), cold_home.began(terminating)

    os.kill(first_server, signal.SIGKILL)
    os.kill(doomed_worker, signal.SIGKILL)
    wait_for(lambda: not is_alive(first_server) and not is_alive(doomed_worker))
    assert cold_home.launcher.check_run_worker_health(cold_home.run(dying)).status.value == "FAILED"
    cold_home.launcher.start_server()

    status = cold_home.client.status()
    assert status["pid"] != first_server
    assert status["running"][terminating] == endless_worker
    assert cold_home.ended(finishing).is_success
    assert cold_home.ended(dying).status == dg.DagsterRunStatus.FAILURE
    assert cold_home.launcher.terminate(terminating)
    assert cold_home.ended(terminating).status == dg.DagsterRunStatus.CANCELED
    wait_for(lambda: not is_alive(endless_worker))
    starts = cold_home.paths.log.read_text().count("Serving")
    assert starts == 2


def test_a_stopped_server_leaves_its_runs_alone_and_frees_what_it_had(cold_home: Home) -> None:
    client = cold_home.launcher.start_server()
    server = cold_home.server_pid()
    run_id = cold_home.launch("short_job", "outlives the server")
    cold_home.began(run_id)

    os.kill(server, signal.SIGTERM)

    wait_for(lambda: not is_alive(server))
    assert not cold_home.paths.socket.exists()
    assert not client.is_served()
    assert cold_home.ended(run_id).is_success


def connected(home: Home) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5)
    connection.connect(str(home.paths.socket))
    return connection


def open_sockets(pid: int) -> set[str]:
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    return {link for link in links if link.startswith("socket:") or link.endswith((".db", ".lock"))}
