"""Commands that are read from, and written to, piece by piece."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._process import Command
from shopkart_pipeline.adapters._process_pipes import read_from, write_to


def python(code: str, folder: Path, timeout_seconds: float = 30.0) -> Command:
    return Command((sys.executable, "-c", code), folder, timeout_seconds)


def test_what_a_command_writes_is_given_on_in_order(tmp_path: Path) -> None:
    pieces = list[bytes]()

    ended = read_from(python("for n in range(200_000): print(n)", tmp_path), pieces.append)

    assert ended.failure("it") is None
    assert b"".join(pieces).split() == [str(number).encode() for number in range(200_000)]


def test_a_command_gets_all_that_the_source_gives(tmp_path: Path) -> None:
    code = "import sys; open('got', 'wb').write(sys.stdin.buffer.read())"

    assert write_to(python(code, tmp_path), [b"x" * 100_000] * 10).failure("it") is None
    assert (tmp_path / "got").stat().st_size == 1_000_000


def test_a_command_that_fails_is_told_with_its_last_line(tmp_path: Path) -> None:
    command = python("import sys; sys.exit('no such table')", tmp_path)

    assert read_from(command, len).failure("pg_dump") == "pg_dump ended with exit code 1: no such table"
    assert write_to(command, [b"x" * 1_000_000] * 3).failure("it") == "it ended with exit code 1: no such table"


def test_a_command_that_hangs_runs_out_of_time(tmp_path: Path) -> None:
    command = python("import time; time.sleep(60)", tmp_path, 0.3)

    assert read_from(command, len).failure("it") == "it ran out of time"
    assert write_to(command, [b"x" * 1_000_000] * 3).failure("it") == "it ran out of time"


def test_what_the_source_raises_ends_the_command(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ValueError("damaged")

    code = f"import sys, os; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); sys.stdin.read()"
    with pytest.raises(ValueError, match="damaged"):
        write_to(python(code, tmp_path), broken())
    written = tmp_path / "pid"
    assert not written.exists() or not Path(f"/proc/{written.read_text() or 0}").exists()


def test_what_the_sink_raises_ends_the_command(tmp_path: Path) -> None:
    def full(_: bytes) -> None:
        raise OSError(28, os.strerror(28))

    with pytest.raises(OSError, match="No space left"):
        read_from(python("while True: print('x' * 1000)", tmp_path), full)
