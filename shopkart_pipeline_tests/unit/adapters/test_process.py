"""The one place that starts processes: timeouts, groups, the scrubbed environment, logs."""

import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.adapters._process import Command, Completed, find_executable, run, stop_all


def python(code: str, folder: Path, **settings: Any) -> Completed:
    command = Command([sys.executable, "-c", code], folder, timeout_seconds=20.0)
    return run(replace(command, **settings))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def ends(pid: int) -> bool:
    """Whether a process that was killed is gone within a moment: the kernel may take its time."""
    deadline = time.monotonic() + 30
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def test_no_secret_of_the_pipeline_reaches_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "not-for-builds")

    done = python("import os; print(sorted(os.environ))", tmp_path, capture=True, variables={"GIVEN": "yes"})

    assert b"GITHUB_TOKEN" not in done.stdout
    assert b"GIVEN" in done.stdout


def test_network_settings_are_passed_on_only_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    code = "import os; print(os.environ.get('HTTPS_PROXY'))"

    without = python(code, tmp_path, capture=True)
    with_network = python(code, tmp_path, capture=True, network=True)

    assert (without.stdout, with_network.stdout) == (b"None\n", b"http://proxy.example:3128\n")


def test_a_command_reads_what_it_is_given(tmp_path: Path) -> None:
    done = python("import sys; print(sys.stdin.read().upper())", tmp_path, capture=True, stdin=b"abc")

    assert done.stdout == b"ABC\n"


def test_a_command_that_runs_out_of_time_ends_with_all_that_it_started(tmp_path: Path) -> None:
    done = run(Command(["sh", "-c", "sleep 60 & echo $! > pid; wait"], tmp_path, timeout_seconds=1.0))

    assert done.timed_out
    assert done.failure("sh") == "sh ran out of time"
    assert ends(int((tmp_path / "pid").read_text()))


def test_a_finished_command_leaves_nothing_behind(tmp_path: Path) -> None:
    code = (
        "import pathlib, subprocess\n"
        "child = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "pathlib.Path('pid').write_text(str(child.pid))"
    )

    done = python(code, tmp_path)

    assert done.exit_code == 0
    deadline = time.monotonic() + 30
    while is_alive(int((tmp_path / "pid").read_text())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_a_daemon_that_keeps_the_pipe_open_does_not_outlast_the_timeout(tmp_path: Path) -> None:
    started = time.monotonic()

    done = run(Command(["sh", "-c", "setsid sleep 6 & echo said"], tmp_path, timeout_seconds=1.0, capture=True))

    assert done.timed_out
    assert done.stdout == b"said\n"
    assert time.monotonic() - started < 15


def test_a_command_that_never_stops_writing_is_ended_and_nothing_of_it_kept(tmp_path: Path) -> None:
    started = time.monotonic()

    done = run(Command(["sh", "-c", "cat /dev/zero; echo later > later"], tmp_path, timeout_seconds=60.0, capture=True))

    assert done.failure("tool", accepted=(0, done.exit_code)) == "tool wrote more than 64 MiB"
    assert done.stdout == b""
    assert not (tmp_path / "later").exists()
    assert time.monotonic() - started < 50


def test_the_log_keeps_what_was_there_and_the_tail_is_this_commands_own(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "stage.log"
    python("print('first')", tmp_path, log=log)

    second = python("import sys; print('second', file=sys.stderr); sys.exit(3)", tmp_path, log=log)
    silent = python("import sys; sys.exit(4)", tmp_path, log=log)

    assert log.read_text() == "first\nsecond\n"
    assert second.failure("tool") == "tool ended with exit code 3: second"
    assert silent.failure("tool") == "tool ended with exit code 4: no output"


def test_a_command_without_a_log_still_says_why_it_failed(tmp_path: Path) -> None:
    done = python("import sys; print('data'); sys.exit('the reason')", tmp_path, capture=True)

    assert done.failure("tool") == "tool ended with exit code 1: the reason"


def test_cancelling_ends_running_commands_and_says_so(tmp_path: Path) -> None:
    timer = threading.Timer(0.5, stop_all)
    timer.start()

    done = python("import time; time.sleep(60)", tmp_path)
    timer.join()

    assert done.cancelled
    assert done.failure("tool") == "tool was cancelled"


def test_programs_are_found_in_the_given_folder_first(tmp_path: Path) -> None:
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "sh").mkdir()

    assert find_executable("git", tmp_path) == str(program)
    assert find_executable("sh", tmp_path) != str(tmp_path / "sh")
    assert find_executable("no-such-program-here", tmp_path) is None


def test_an_absent_program_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(Command([str(tmp_path / "absent")], tmp_path, 1.0))


def test_the_home_of_a_command_is_not_the_pipelines(tmp_path: Path) -> None:
    done = python("import os; print(os.environ['HOME'])", tmp_path, capture=True)

    assert done.stdout.decode().strip() != os.path.expanduser("~")
