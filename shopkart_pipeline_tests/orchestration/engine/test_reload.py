"""The warm server loads its definitions afresh when they would be others, and only then."""

import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline_tests.orchestration.engine.homes import Home, is_alive, wait_for

DEFINITIONS = """
    import time
    from pathlib import Path
    import dagster as dg
    from shopkart_pipeline.engine.executor import parallel_threads

    DECLARATION = Path(__file__).with_name("declaration.txt")
    WATCHED_FILES = (DECLARATION,)
    DECLARED = DECLARATION.read_text().strip()
    if DECLARED == "broken":
        raise ValueError("the declaration is broken")

    @dg.asset
    def says(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"declared": DECLARED})

    @dg.asset
    def waits(context: dg.AssetExecutionContext) -> None:
        folder = Path(context.instance.root_directory) / "scratch"
        folder.mkdir(exist_ok=True)
        (folder / f"{context.run_id}.began").touch()
        while not (folder / "go").exists():
            time.sleep(0.02)

    def job(asset):
        return dg.define_asset_job(asset.op.name, selection=[asset], executor_def=parallel_threads)

    defs = dg.Definitions(assets=[says, waits], jobs=[job(says), job(waits)])
"""


@pytest.fixture
def changing_home(tmp_path: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home whose definitions read a declaration beside them."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "changing_definitions.py").write_text(textwrap.dedent(DEFINITIONS))
    (code / "declaration.txt").write_text("first")
    monkeypatch.syspath_prepend(code)
    monkeypatch.setenv("PYTHONPATH", str(code))
    with Home.opened(tmp_path, definitions_module="changing_definitions") as home:
        home.launcher.start_server()
        yield home


def test_a_changed_declaration_is_loaded_and_a_broken_one_is_named(changing_home: Home, tmp_path: Path) -> None:
    declaration = tmp_path / "code" / "declaration.txt"
    server = changing_home.server_pid()
    waiting = changing_home.launch("waits", "waits")
    worker = changing_home.began(waiting)
    assert declared(changing_home, changing_home.launch("says", "1")) == "first"

    os.utime(declaration, (1, 1))
    assert declared(changing_home, changing_home.launch("says", "2")) == "first"
    assert loads(changing_home) == 1

    declaration.write_text("second")
    assert declared(changing_home, changing_home.launch("says", "3")) == "second"
    assert loads(changing_home) == 2

    declaration.write_text("broken")
    wait_for(lambda: "broken" in changing_home.client.status()["state"])
    with pytest.raises(PipelineError, match="the declaration is broken"):
        changing_home.launch("says", "4")

    declaration.write_text("third")
    assert declared(changing_home, changing_home.launch("says", "5")) == "third"

    status = changing_home.client.status()
    assert status["pid"] == server
    assert status["running"] == {waiting: worker}
    changing_home.scratch.joinpath("go").touch()
    assert changing_home.ended(waiting).is_success
    wait_for(lambda: not is_alive(worker))


def declared(home: Home, run_id: str) -> object:
    assert home.ended(run_id).is_success
    [entry] = home.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    assert entry.asset_materialization is not None
    return entry.asset_materialization.metadata["declared"].value


def loads(home: Home) -> int:
    return home.paths.log.read_text().count("Serving")
