"""Environments and applications of Python services, made by uv without any index."""

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters import _confinement
from shopkart_pipeline.adapters._confinement import Confinement
from shopkart_pipeline.adapters.python_application import PythonApplication
from shopkart_pipeline.domain.declaration import Service, StageKind
from shopkart_pipeline.domain.evidence import Severity, ToolRun
from shopkart_pipeline.ports.confinement import NotConfined
from shopkart_pipeline_tests.scan_requests import a_service, a_stage, evidence_of, reason_of, write_files

HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'


def wheel(
    folder: Path,
    name: str = "greeter",
    licence: str = "License-Expression: MIT\n",
    code: str = "def main():\n    print('hello')\n",
) -> str:
    """A wheel with one module and one command; gives the line that a lock file has for it."""
    info = f"{name}-1.0.dist-info"
    members = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{licence}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
        f"{info}/RECORD": "".join(f"{member},,\n" for member in (f"{name}.py", f"{info}/METADATA", f"{info}/WHEEL")),
    }
    file = folder / f"{name}-1.0-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member), content)
    return f"{name} @ {file.as_uri()} --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"


def storefront(folder: Path, lock: str) -> Path:
    """A repository with a service and a shared project, both built by hatchling."""
    project = (
        HATCHLING + '[project]\nname = "{}"\nversion = "1.0"\n[tool.hatch.build.targets.wheel]\npackages = ["src/{}"]\n'
    )
    return write_files(
        folder,
        {
            "backend/pyproject.toml": project.format("storefront-backend", "storefront_backend"),
            "backend/requirements.lock": lock,
            "backend/src/storefront_backend/__init__.py": "NAME = 'backend'\n",
            "backend/src/storefront_backend/schema.sql": "select 1;\n",
            "backend/tests/test_it.py": "def test_it(): pass\n",
            "servicekit/pyproject.toml": project.format("storefront-servicekit", "servicekit"),
            "servicekit/src/servicekit/__init__.py": "",
            "docs/shared.md": "no project",
        },
    )


def build(folder: Path, tree: Path, service: Service, name: str = "application") -> ToolRun:
    builder = PythonApplication(folder / "cache")
    return builder.build(service, tree, Path(sys.prefix), folder / name, folder / "log", 60.0)


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


@pytest.fixture
def service() -> Service:
    return a_service("backend", ("servicekit", "docs"))


def test_an_environment_holds_what_the_lock_names_and_survives_being_moved(tmp_path: Path, service: Service) -> None:
    tree = write_files(tmp_path / "tree", {"backend/requirements-dev.lock": wheel(tmp_path / "wheels")})
    environment = tmp_path / "environments" / "abc"

    run = PythonApplication(tmp_path / "cache").install(service, tree, environment, tmp_path / "log", 60.0)

    assert evidence_of(run).measures == {"packages": 1}
    assert [report.content for report in run.raw] == [b"greeter==1.0\n"]
    assert subprocess.check_output([environment / "bin" / "greeter"]) == b"hello\n"
    assert [entry.name for entry in environment.parent.iterdir()] == ["abc"]


def test_an_environment_that_is_there_is_kept(tmp_path: Path, service: Service) -> None:
    tree = write_files(tmp_path / "tree", {"backend/requirements-dev.lock": wheel(tmp_path / "wheels")})
    builder = PythonApplication(tmp_path / "cache")
    environment = tmp_path / "environment"
    builder.install(service, tree, environment, tmp_path / "log", 60.0)
    before = (environment / "pyvenv.cfg").stat().st_mtime_ns
    (tree / "backend/requirements-dev.lock").unlink()

    run = builder.install(service, tree, environment, tmp_path / "log", 60.0)

    assert evidence_of(run).measures == {"packages": 1}
    assert (environment / "pyvenv.cfg").stat().st_mtime_ns == before


def test_a_package_that_is_not_what_was_locked_is_not_installed(tmp_path: Path, service: Service) -> None:
    line = wheel(tmp_path / "wheels")
    tree = write_files(tmp_path / "tree", {"backend/requirements-dev.lock": line[:-9] + "00000000\n"})

    run = PythonApplication(tmp_path / "cache").install(service, tree, tmp_path / "env", tmp_path / "log", 60.0)

    assert "uv pip" in reason_of(run)
    assert not (tmp_path / "env").exists()
    assert "hash" in (tmp_path / "log").read_text().lower()


def test_a_lock_without_hashes_is_refused(tmp_path: Path, service: Service) -> None:
    line = wheel(tmp_path / "wheels").partition(" --hash")[0]
    tree = write_files(tmp_path / "tree", {"backend/requirements-dev.lock": line})

    run = PythonApplication(tmp_path / "cache").install(service, tree, tmp_path / "env", tmp_path / "log", 60.0)

    assert "uv pip" in reason_of(run)


def test_no_lock_or_an_empty_one_is_no_evidence(tmp_path: Path, service: Service) -> None:
    builder = PythonApplication(tmp_path / "cache")
    nothing = write_files(tmp_path / "nothing", {"backend/a.py": ""})
    empty = write_files(tmp_path / "empty", {"backend/requirements-dev.lock": "# nothing\n"})

    assert "no requirements-dev.lock" in reason_of(
        builder.install(service, nothing, tmp_path / "one", tmp_path / "log", 60.0)
    )
    assert "names no package" in reason_of(builder.install(service, empty, tmp_path / "two", tmp_path / "log", 60.0))


def test_running_out_of_time_leaves_no_environment(tmp_path: Path, service: Service) -> None:
    tree = write_files(tmp_path / "tree", {"backend/requirements-dev.lock": wheel(tmp_path / "wheels")})

    run = PythonApplication(tmp_path / "cache").install(service, tree, tmp_path / "env", tmp_path / "log", 0.0)

    assert "ran out of time" in reason_of(run)
    assert not (tmp_path / "env").exists()


def test_the_lock_is_declared_by_the_stages(tmp_path: Path) -> None:
    stages = (
        a_stage(StageKind.DEPENDENCIES, options={"lock": "dev.txt"}),
        a_stage(StageKind.APPLICATION, options={"lock": "prod.txt"}),
    )
    service = a_service("backend", (), *stages)
    tree = write_files(tmp_path / "tree", {"backend/dev.txt": wheel(tmp_path / "wheels")})

    installed = PythonApplication(tmp_path / "cache").install(service, tree, tmp_path / "e", tmp_path / "log", 60.0)

    assert evidence_of(installed).tool.rules == "dev.txt with hashes"
    assert "no prod.txt" in reason_of(build(tmp_path, tree, service))


def test_an_application_holds_the_service_its_shared_projects_and_the_locked_packages(
    tmp_path: Path, service: Service
) -> None:
    tree = storefront(tmp_path / "tree", wheel(tmp_path / "wheels"))

    run = build(tmp_path, tree, service)

    files = contents(tmp_path / "application")
    assert evidence_of(run).measures["files"] == sum(1 for file in files if (tmp_path / "application" / file).is_file())
    assert {"app/storefront_backend/__init__.py", "app/storefront_backend/schema.sql"} <= set(files)
    assert {"app/servicekit/__init__.py", "deps/greeter.py", "deps/greeter-1.0.dist-info/METADATA"} <= set(files)
    assert not [name for name in files if "test" in name or name.endswith((".pyc", ".lock"))]


def test_the_licences_of_what_others_wrote_are_findings(tmp_path: Path, service: Service) -> None:
    copyleft = wheel(
        tmp_path / "wheels", "copied", "Classifier: License :: OSI Approved :: GNU GPL v3\nLicense: GPLv3\n"
    )
    lock = wheel(tmp_path / "wheels") + copyleft + wheel(tmp_path / "wheels", "silent", "")

    run = build(tmp_path, storefront(tmp_path / "tree", lock), service)

    evidence = evidence_of(run)
    assert [(one.rule, one.package, one.severity) for one in evidence.findings] == [
        ("licence:GPL-3.0-only", "copied", Severity.INFO),
        ("licence:MIT", "greeter", Severity.INFO),
        ("licence:unknown", "silent", Severity.INFO),
    ]
    assert (evidence.measures["licences"], evidence.measures["unlicensed"]) == (2, 1)
    assert [report.name for report in run.raw] == ["licences.json"]


def test_the_same_commit_gives_the_same_bytes_wherever_it_is_built(tmp_path: Path, service: Service) -> None:
    lock = wheel(tmp_path / "wheels")
    folders = [tmp_path / "one", tmp_path / "elsewhere" / "another"]
    for folder in folders:
        build(folder, storefront(folder / "tree", lock), service)

    one, another = (contents(folder / "application") for folder in folders)

    assert one == another
    assert one["deps/bin/greeter"][1].startswith(b"#!/usr/bin/env python3\n")
    assert not [name for name, (_, content) in one.items() if str(tmp_path).encode() in content]
    assert not [name for name, (_, content) in one.items() if sys.prefix.encode() in content]


def test_what_is_recorded_as_installed_is_there(tmp_path: Path, service: Service) -> None:
    build(tmp_path, storefront(tmp_path / "tree", wheel(tmp_path / "wheels")), service)

    root = tmp_path / "application"
    for record in root.rglob("RECORD"):
        names = [line.split(",")[0] for line in record.read_text().splitlines()]
        assert names
        assert all((record.parent.parent / name).exists() for name in names)


def test_building_leaves_the_tree_as_it_was(tmp_path: Path, service: Service) -> None:
    tree = storefront(tmp_path / "tree", wheel(tmp_path / "wheels"))
    before = contents(tree)

    build(tmp_path, tree, service)

    assert contents(tree) == before


def test_a_project_that_does_not_build_leaves_nothing(tmp_path: Path, service: Service) -> None:
    tree = storefront(tmp_path / "tree", wheel(tmp_path / "wheels"))
    (tree / "servicekit/pyproject.toml").write_text(HATCHLING + '[project]\nname = "x"\n')

    run = build(tmp_path, tree, service)

    assert "uv pip" in reason_of(run)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["cache", "log", "tree", "wheels"]


def test_a_service_without_project_is_no_evidence(tmp_path: Path, service: Service) -> None:
    tree = storefront(tmp_path / "tree", wheel(tmp_path / "wheels"))
    bare = replace(service, source=replace(service.source, path="docs", shared_paths=()))

    assert "no Python project" in reason_of(build(tmp_path, tree, bare))


def test_an_application_that_is_there_is_kept(tmp_path: Path, service: Service) -> None:
    tree = storefront(tmp_path / "tree", wheel(tmp_path / "wheels"))
    build(tmp_path, tree, service)
    before = contents(tmp_path / "application")
    (tree / "backend/src/storefront_backend/more.py").write_text("")

    assert evidence_of(build(tmp_path, tree, service)).measures["files"] > 0
    assert contents(tmp_path / "application") == before


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home's folder for work, in whose home commands are confined."""
    monkeypatch.setattr(_confinement, "_current", Confinement(tmp_path / "home"))
    if isinstance(_confinement.confinement(), NotConfined):
        pytest.skip("commands can't be confined here: what confinement keeps out is LEFT OUT")
    return tmp_path / "home" / "work"


def test_code_that_runs_as_it_is_built_changes_no_package_of_others(work: Path, service: Service) -> None:
    tree = storefront(work / "trees" / "abc", wheel(work.parents[1] / "wheels"))
    with (tree / "backend/pyproject.toml").open("a") as project:
        project.write("[tool.hatch.build.hooks.custom]\npath = 'hook.py'\n")
    (tree / "backend/hook.py").write_text(_HOSTILE_HOOK.format(work=str(work)))
    builder, application = PythonApplication(work / "packages"), work / "releases" / "abc" / "application"

    run = builder.build(service, tree, Path(sys.prefix), application, work / "log", 60.0)

    assert evidence_of(run).measures["files"] > 2
    assert (application / "app/storefront_backend/__init__.py").read_text() == "NAME = 'backend'\n"
    assert not (work / "packages" / "changed").exists()
    assert (work / "changed").exists()


def test_what_a_test_does_to_its_environment_gets_into_no_image(work: Path, service: Service) -> None:
    backend = wheel(work.parents[1] / "wheels", "backend_of_builds", code=_BUILD_BACKEND)
    project = (
        '[build-system]\nrequires = []\nbuild-backend = "backend_of_builds"\n[project]\nname="own"\nversion="1.0"\n'
    )
    files = {"backend/requirements-dev.lock": backend, "backend/requirements.lock": backend}
    tree = write_files(work / "trees" / "abc", {**files, "backend/pyproject.toml": project})
    builder, environment = PythonApplication(work / "packages"), work / "environments" / "abc"
    assert evidence_of(builder.install(service, tree, environment, work / "log", 60.0)).measures == {"packages": 1}
    [installed] = environment.glob("lib/python*/site-packages/backend_of_builds.py")
    installed.write_text("raise SystemExit('a test was here')")
    application = work / "releases" / "abc" / "application"

    run = builder.build(service, tree, environment, application, work / "log", 60.0)

    assert evidence_of(run).measures["files"] > 2
    assert (application / "app" / "own.py").read_text() == "NAME = 'own'"
    assert (application / "deps" / "backend_of_builds.py").read_text() == _BUILD_BACKEND


_HOSTILE_HOOK = """
import contextlib, pathlib
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        for name in ("packages/changed", "changed"):
            with contextlib.suppress(OSError):
                (pathlib.Path({work!r}) / name).write_text("changed")
"""
_BUILD_BACKEND = """
import pathlib, zipfile

def build_wheel(folder, settings=None, metadata=None):
    name, info = "own-1.0-py3-none-any.whl", "own-1.0.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as archive:
        archive.writestr("own.py", "NAME = 'own'")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: own\\nVersion: 1.0\\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", "own.py,,\\n")
    return name
"""
