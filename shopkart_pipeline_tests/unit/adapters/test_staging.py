"""Temporary folders that vanish with their makers, however those end."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shopkart_pipeline.adapters._staging import staging

_MAKER = """
import sys, time
from pathlib import Path
from shopkart_pipeline.adapters._staging import staging
with staging(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_the_folder_is_gone_afterwards(tmp_path: Path) -> None:
    with staging(tmp_path / "deep" / "target") as folder:
        (folder / "whole").write_text("whole", encoding="utf-8")
        (folder / "whole").rename(tmp_path / "deep" / "target")

    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["target"]


def test_what_a_killed_maker_left_is_swept_by_the_next_one(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _MAKER, str(tmp_path / "target")], stdout=subprocess.PIPE) as maker:
        assert maker.stdout is not None
        maker.stdout.readline()
        with staging(tmp_path / "target"):
            while_alive = len(list(tmp_path.iterdir()))
        maker.send_signal(signal.SIGKILL)
        maker.wait(timeout=10)

    with staging(tmp_path / "target"):
        after_death = len(list(tmp_path.iterdir()))

    assert (while_alive, after_death) == (2, 1)


def test_other_targets_and_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".target.staging-file").write_text("a file", encoding="utf-8")
    (tmp_path / ".other.staging-1").mkdir()

    with staging(tmp_path / "target"):
        pass

    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.staging-1", ".target.staging-file"]


def test_many_makers_at_once_do_not_sweep_each_other(tmp_path: Path) -> None:
    def make(number: int) -> str:
        with staging(tmp_path / "target") as folder:
            (folder / "mine").write_text(str(number), encoding="utf-8")
            return (folder / "mine").read_text(encoding="utf-8")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(make, range(200))) == [str(number) for number in range(200)]
