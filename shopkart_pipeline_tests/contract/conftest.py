"""What the contract suites share: a Docker Engine where there can be one, and a word on what took part.

Real tools join the suites where they are installed. Tests are not skipped for the lack of one: they are not collected,
and the summary names what judged and what was judged, so an absent tool can be seen.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._confinement import Confinement
from shopkart_pipeline.adapters._postgres import Database
from shopkart_pipeline.adapters._store_tables import stores_database
from shopkart_pipeline.ports.confinement import NotConfined
from shopkart_pipeline_tests.contract import (
    alertmanager_server,
    aws_servers,
    own_image,
    postgres_storage,
    prometheus_server,
)
from shopkart_pipeline_tests.contract.helm import helm_python
from shopkart_pipeline_tests.contract.oci_readers import installed_readers
from shopkart_pipeline_tests.contract.postgres import EMPTIED, Postgres, running_postgres
from shopkart_pipeline_tests.contract.registry_server import PROGRAM
from shopkart_pipeline_tests.docker_base import (
    buildah_for_tests,
    engine_for_tests,
    make_empty_base_image,
    make_shell_base_image,
    running_engine,
    write_shell_base_layout,
)


def _packages_of(program: str, package: str) -> Iterator[Path]:
    """Where the environment of a program has a package."""
    return Path(program).parents[1].glob(f"lib/python*/site-packages/{package}")


NPM = shutil.which("npm")
ESLINT = shutil.which("eslint")
BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
"""Of which the storefront's acceptance tests take the first."""
TOOLS = os.pathsep.join(filter(None, (os.environ.get("SHOPKART_TEST_TOOLS"), os.environ["PATH"])))
"""Where tools are looked for: some take part in these tests alone."""
VALIDATORS = [shutil.which(name, path=TOOLS) for name in ("kubernetes-validate", "checkov")]
"""Judges of Kubernetes manifests."""
CEL = next(
    (
        Path(found).parent / "python"
        for found in filter(None, VALIDATORS)
        for _ in _packages_of(found, "cel_expr_python")
    ),
    None,
)
"""A Python beside the validators that evaluates CEL as Kubernetes does."""
COSIGN = shutil.which("cosign", path=TOOLS)
CHECKOV = VALIDATORS[1]
"""Judges `deploy/terraform`, too."""
TERRAFORM_PROGRAM = shutil.which("terraform", path=TOOLS)
"""In no package registry: it takes part where the machine has it."""
GITLEAKS, TRIVY = shutil.which("gitleaks", path=TOOLS), shutil.which("trivy", path=TOOLS)

ZIZMOR = shutil.which("zizmor", path=TOOLS)
"""Judges the workflow of GitHub Actions."""

HELM = helm_python()
"""A Python that has Helm as a library."""

collect_ignore = [
    *(
        []
        if engine_for_tests()
        else ["test_docker_engine.py", "test_container_image.py", "test_storefront_containers.py"]
    ),
    *([] if own_image.why_not() is None else ["test_own_image.py"]),
    *([] if buildah_for_tests() is None else ["test_buildah.py"]),
    *([] if engine_for_tests() or buildah_for_tests() is None else ["test_dockerfile_builds.py"]),
    *([] if NPM else ["test_npm_audit.py"]),
    *([] if PROGRAM else ["test_registry_server.py"]),
    *([] if prometheus_server.PROGRAM else ["test_prometheus.py"]),
    *([] if prometheus_server.PROGRAM and alertmanager_server.PROGRAM else ["test_monitoring.py"]),
    *([] if aws_servers.installed("ministack") else ["test_ecr_ministack.py"]),
    *([] if PROGRAM and aws_servers.installed("moto") else ["test_ecr_moto.py"]),
    *([] if aws_servers.installed("moto") else ["test_secrets_manager.py", "test_kms.py"]),
    *([] if ESLINT else ["test_eslint.py"]),
    *([] if GITLEAKS else ["test_gitleaks.py"]),
    *([] if TRIVY else ["test_trivy.py", "test_bills_by_trivy.py"]),
    *([] if COSIGN and PROGRAM else ["test_cosign_referrers.py"]),
    *([] if COSIGN else ["test_cosign.py"]),
    *([] if all(VALIDATORS) else ["test_manifest_validators.py", "test_installation_validators.py"]),
    *([] if aws_servers.installed("moto") and postgres_storage.is_installed() else ["test_instance_on_kubernetes.py"]),
    *([] if postgres_storage.is_installed() else ["test_postgres_storage.py", "test_pipeline_stores.py"]),
    *([] if CEL else ["test_admission.py"]),
    *([] if HELM and all(VALIDATORS) else ["test_helm_chart.py"]),
    *([] if HELM else ["test_helm_release.py"]),
    *([] if aws_servers.installed("moto") else ["test_iam_moto.py"]),
    *([] if CHECKOV else ["test_terraform.py"]),
    *([] if ZIZMOR else ["test_workflow_judge.py"]),
    *([] if TERRAFORM_PROGRAM else ["test_terraform_program.py"]),
]


@pytest.fixture(autouse=True)
def tools_in_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools that take part in these tests alone are found like any other."""
    monkeypatch.setenv("PATH", TOOLS)


@pytest.fixture(scope="session")
def base_layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base image with a shell, on disk."""
    layout = tmp_path_factory.mktemp("base") / "layout"
    write_shell_base_layout(layout)
    return layout


@pytest.fixture(scope="session")
def docker_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An engine that holds the small base images: the machine's own, or one that is started for the tests."""
    with contextlib.ExitStack() as stack:
        host = engine_for_tests()
        if host == "startable":
            host = stack.enter_context(running_engine(tmp_path_factory.mktemp("engine")))
        assert host is not None
        make_shell_base_image(host)
        make_empty_base_image(host)
        yield host


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running ministack."""
    with aws_servers.running_ministack(tmp_path_factory.mktemp("ministack")) as address:
        yield address


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running moto server."""
    with aws_servers.running_moto(tmp_path_factory.mktemp("moto")) as address:
        yield address


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A running server; whoever stops it starts it again."""
    with running_postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture(scope="session")
def stores_address(postgres: Postgres) -> str:
    """Where the stores of the pipeline have their tables."""
    return postgres.address()


@pytest.fixture(scope="session")
def kept_stores(stores_address: str) -> Database:
    """The stores' database with connections that stay open; see `stores`."""
    return stores_database(stores_address)


@pytest.fixture
def stores(kept_stores: Database) -> Database:
    """The stores' database with nothing in it."""
    kept_stores.run(lambda connection: connection.execute(EMPTIED.encode()))
    return kept_stores


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which real tools took part."""
    terminalreporter.write_line(f"images judged by: {', '.join(installed_readers())}")
    terminalreporter.write_line(f"npm: {NPM or 'not installed'}")
    terminalreporter.write_line(f"gitleaks: {GITLEAKS or 'not installed'}")
    terminalreporter.write_line(f"zizmor: {ZIZMOR or 'not installed: the workflow is NOT JUDGED'}")
    terminalreporter.write_line(f"cosign: {COSIGN or 'not installed: what it verifies is LEFT OUT'}")
    terminalreporter.write_line(f"trivy: {TRIVY or 'not installed'}")
    judges = ", ".join(filter(None, VALIDATORS)) or "kubernetes-validate and checkov are not installed"
    terminalreporter.write_line(f"manifests judged by: {judges}")
    terminalreporter.write_line(f"Helm: {HELM or 'not installed: the chart is NOT RENDERED'}")
    terminalreporter.write_line(f"CEL: {CEL or 'not installed: the rules for clusters are NOT EVALUATED'}")
    terminalreporter.write_line(f"terraform: {TERRAFORM_PROGRAM or 'not installed: what it says is LEFT OUT'}")
    terminalreporter.write_line(f"eslint: {ESLINT or 'not installed'}")
    browsers = ", ".join(filter(None, map(shutil.which, BROWSERS)))
    terminalreporter.write_line(f"browser: {browsers or 'none is installed: what only a browser sees is LEFT OUT'}")
    terminalreporter.write_line(f"registry server: {PROGRAM or 'docker-registry is not installed'}")
    counted = prometheus_server.PROGRAM or "not installed: its part of the contract of metrics is LEFT OUT"
    terminalreporter.write_line(f"Prometheus: {counted}")
    watching = "took part" if prometheus_server.PROGRAM and alertmanager_server.PROGRAM else "not installed: LEFT OUT"
    terminalreporter.write_line(f"Alertmanager, with Prometheus: {watching}")
    servers = ", ".join(name for name in aws_servers.SERVERS if aws_servers.installed(name))
    terminalreporter.write_line(f"AWS's stand-ins: {'; '.join(filter(None, (servers, aws_servers.left_out())))}")
    storage = "took part" if postgres_storage.is_installed() else "not installed: Dagster on PostgreSQL is LEFT OUT"
    terminalreporter.write_line(f"dagster-postgres: {storage}")
    terminalreporter.write_line(f"Docker Engine: {engine_for_tests() or 'none is reachable or can be started'}")
    terminalreporter.write_line(f"own image: {own_image.why_not() or 'built by the thorough tests'}")
    terminalreporter.write_line(f"buildah: {buildah_for_tests() or 'took part'}")
    terminalreporter.write_line(f"confinement: {_why_not_confined() or 'took part'}")


def _why_not_confined() -> str | None:
    """Why commands can't be confined here, so that what keeps them in is not shown."""
    with tempfile.TemporaryDirectory() as folder:
        state = Confinement(Path(folder)).state()
    return f"{state.reason}: LEFT OUT" if isinstance(state, NotConfined) else None
