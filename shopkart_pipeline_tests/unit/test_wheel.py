"""The wheel carries what the package needs without a checkout, and nothing else; its version is said in one place."""

import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from shopkart_pipeline.cli import main as command_line
from shopkart_pipeline.cli.main import main
from shopkart_pipeline.engine.shipped_files import shipped_file
from shopkart_pipeline.spec.loader import load

ROOT = Path(__file__).parents[2]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    [built] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    return Path(built)


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_what_the_package_needs_is_in_it(names: set[str]) -> None:
    assert {
        "shopkart_pipeline/definitions.py",
        "shopkart_pipeline/spec/shopkart.schema.json",
        "shopkart_pipeline/spec/shipped.yaml",
        "shopkart_pipeline/data/dagster.yaml",
        "shopkart_pipeline/data/workspace.yaml",
        "shopkart_pipeline/data/deploy/own/shopkart.yaml",
        "shopkart_pipeline/data/deploy/admission/production-validating.yaml",
    } <= names
    assert [name for name in names if name.startswith("shopkart_pipeline/data/deploy/monitoring/grafana/")]
    assert [name for name in names if name.startswith("shopkart_pipeline/data/deploy/monitoring/kubernetes/")]


def test_every_file_beside_the_code_is_in_it(names: set[str]) -> None:
    beside = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "shopkart_pipeline").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc"
    }

    assert beside - names == set()


def test_nothing_else_is_in_it(names: set[str]) -> None:
    others = [name for name in names if not name.startswith(("shopkart_pipeline/", "shopkart_pipeline-"))]

    assert others == []
    assert not [name for name in names if "tfstate" in name or "/." in name or "__pycache__" in name]


def test_the_version_is_said_once(wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert wheel.name == f"shopkart_pipeline-{DECLARED}-py3-none-any.whl"
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"shopkart {version('shopkart-pipeline')}\n"


def test_configuration_is_found_without_a_checkout(tmp_path: Path) -> None:
    package = tmp_path / "shopkart_pipeline"
    assert shipped_file("dagster.yaml", package) == package / "data" / "dagster.yaml"

    (tmp_path / "dagster.yaml").touch()

    assert shipped_file("dagster.yaml", package) == tmp_path / "dagster.yaml"


@pytest.mark.parametrize("command", ["bench", "demo", "drill", "lint", "test"])
def test_what_needs_a_checkout_says_so_in_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_line, "_CHECKOUT", tmp_path / "examples")

    with pytest.raises(SystemExit) as ended:
        main([command])

    assert ended.value.code == 1
    assert f"`shopkart {command}` needs a checkout of the project" in capsys.readouterr().err


def test_the_project_declares_itself(tmp_path: Path) -> None:
    """Commands name files that are there, and production takes two people."""
    service = load(ROOT / "deploy" / "own" / "shopkart.yaml", home=tmp_path).services["pipeline"]

    words = [word for stage in service.stages for word in stage.command]
    paths = [word for word in words if word.startswith("shopkart_pipeline_tests/")]
    assert len(paths) == 4
    assert [path for path in paths if not (ROOT / path).exists()] == []
    approvals = service.deployments["production"].approvals
    assert approvals is not None
    assert approvals.required == 2
    assert approvals.four_eyes


@pytest.mark.thorough
def test_it_works_where_it_was_installed(wheel: Path, tmp_path: Path) -> None:
    """Without a checkout beside it; what it depends on comes from this environment."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    declaration = ROOT / "deploy" / "own" / "shopkart.yaml"
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from shopkart_pipeline.engine.web_options import WORKSPACE; "
        "assert sys.argv[1] in str(WORKSPACE) and WORKSPACE.exists(); "
        "from shopkart_pipeline.cli.main import main; main(['validate', sys.argv[2]])"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path / "installed"), str(declaration)]

    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    assert "valid: 1 service" in done.stdout
