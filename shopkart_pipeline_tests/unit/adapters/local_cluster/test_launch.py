"""How an image's container becomes a process, what it is told, and what a home remembers."""

import socket
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._oci_documents import RunDocument
from shopkart_pipeline.adapters.local_cluster.addresses import environment_urls, password_of, redis_name
from shopkart_pipeline.adapters.local_cluster.container_runtime import LABEL, container_options
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.images import About, Image
from shopkart_pipeline.adapters.local_cluster.ports import HOST, Ports
from shopkart_pipeline.adapters.local_cluster.process_runtime import daemon_of, interpreter
from shopkart_pipeline.adapters.local_cluster.runtime import Launch
from shopkart_pipeline.adapters.local_cluster.variables import filled_in, redacted
from shopkart_pipeline.domain.errors import NotFound


def a_launch(tmp_path: Path, *command: str, user: str = "", **variables: str) -> Launch:
    rootfs = tmp_path / "rootfs"
    (rootfs / "app" / "app").mkdir(parents=True, exist_ok=True)
    (rootfs / "app" / "deps").mkdir(exist_ok=True)
    (rootfs / "app" / "serve").touch()
    run = RunDocument(
        User=user,
        Env=["PYTHONPATH=/app/app:/app/deps", "LANG=C.UTF-8"],
        WorkingDir="/app",
        Entrypoint=["python", "-m", "shop"],
    )
    image = Image("shop", "sha256:1", rootfs, About("sha256:2", run))
    log, scratch = tmp_path / "log", tmp_path / "scratch"
    return Launch("production", "shop", "stable-1", image, command, variables, log, scratch)


def test_python_is_our_interpreter_without_our_packages(tmp_path: Path) -> None:
    daemon = daemon_of(a_launch(tmp_path))
    assert list(daemon.arguments) == [str(interpreter()), "-S", "-m", "shop"]
    assert interpreter().is_file()
    assert not interpreter().is_relative_to(Path(__file__).parents[4] / ".venv")


def test_paths_of_the_image_become_paths_of_this_machine(tmp_path: Path) -> None:
    daemon = daemon_of(a_launch(tmp_path, "/app/serve", "--from=/app/app", BASE_PATH="/app", URL="http://x/app/app"))
    app = tmp_path / "rootfs" / "app"
    assert daemon.arguments[0] == str(app / "serve")
    assert daemon.variables["PYTHONPATH"] == f"{app}/app:{app}/deps"
    assert (daemon.variables["BASE_PATH"], daemon.variables["URL"]) == ("/app", "http://x/app/app")
    assert daemon.cwd == app


def test_a_program_that_is_not_in_the_image_is_not_taken_from_this_machine(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not hold node"):
        daemon_of(a_launch(tmp_path, "node", "server.js"))


@pytest.mark.parametrize(("user", "expected"), [("", "65532:65532"), ("0:0", "65532:65532"), ("app", "app")])
def test_a_container_is_never_root(tmp_path: Path, user: str, expected: str) -> None:
    options = container_options(a_launch(tmp_path, user=user), "home", "sha256:known")
    assert options["user"] == expected
    assert options["image"] == "sha256:known"
    assert options["labels"][LABEL] == "home"


def test_what_the_environment_gives_is_filled_in_and_nothing_else() -> None:
    declared = {"A": "{redis_url}?x=1", "B": "{url:backend}/api", "C": '{"json": "{}"}', "D": "{other}"}
    datastores = {"redis_url": "redis://r", "database_url": "postgresql://d"}
    assert filled_in(declared, datastores, lambda service: f"http://{service}") == {
        "A": "redis://r?x=1",
        "B": "http://backend/api",
        "C": '{"json": "{}"}',
        "D": "{other}",
    }


def test_passwords_are_taken_out_of_texts() -> None:
    assert redacted("redis://:hunter2@host refused", ("hunter2",)) == "redis://:[redacted]@host refused"


def test_a_password_is_made_once_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    assert password_of(folders, "redis") == password_of(folders, "redis")
    assert folders.passwords.stat().st_mode & 0o077 == 0


def test_an_environment_that_was_never_started_has_no_addresses(tmp_path: Path) -> None:
    password_of(Folders(tmp_path), redis_name("staging"))
    with pytest.raises(NotFound):
        environment_urls(tmp_path, "staging")


def test_a_port_is_kept_across_controllers_unless_somebody_took_it(tmp_path: Path) -> None:
    port = Ports(Folders(tmp_path)).keep("redis")
    assert Ports(Folders(tmp_path)).keep("redis") == port
    with socket.socket() as stranger:
        stranger.bind((HOST, port))
        stranger.listen()
        assert Ports(Folders(tmp_path)).keep("redis") != port


def test_a_port_is_never_lent_twice(tmp_path: Path) -> None:
    ports = Ports(Folders(tmp_path))
    kept = ports.keep("redis")
    lent = [ports.lend() for _ in range(20)]
    assert len({kept, *lent}) == 21
